// Image locks: between our own nodes, and with stock QEMU both ways.
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <csignal>
#include <gio/gio.h>

namespace block {
namespace {

constexpr const char* write_lock = "Failed to get \"write\" lock";
constexpr const char* shared_write_lock = "Failed to get shared \"write\" lock";

class Lock : public testing::Test {
protected:
  TemporaryDirectory directory;
  const std::string path = directory.make("disk", std::string(1 << 20, '\0'));
  Graph graph;

  Result<std::shared_ptr<Node>> open_disk(Graph::OpenDefaults defaults,
                                          const std::string& locking = "auto") {
    return graph.open({{"driver", "file"}, {"filename", path}, {"locking", locking}}, defaults);
  }
};

TEST_F(Lock, WriterExcludesWritersAndReaders) {
  auto writer = open_disk({});
  ASSERT_TRUE(succeeded(writer));
  auto second = open_disk({});
  EXPECT_EQ(message_of(second), write_lock);
  EXPECT_EQ(kind_of(second), ErrorKind::busy);
  EXPECT_EQ(second.error().hint(), "Is another process using the image [" + path + "]?");
  EXPECT_EQ(message_of(open_disk({.read_only = true})), shared_write_lock);
}

TEST_F(Lock, ReadersShareAndExcludeWriters) {
  auto first = open_disk({.read_only = true});
  auto second = open_disk({.read_only = true});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(message_of(open_disk({})), write_lock);
  EXPECT_TRUE(succeeded(graph.close((*first)->name())));
  EXPECT_TRUE(succeeded(graph.close((*second)->name())));
  EXPECT_TRUE(succeeded(open_disk({}))) << "locks end with the node";
}

TEST_F(Lock, ForceShareAndLockingOffLockNothing) {
  ASSERT_TRUE(succeeded(open_disk({})));
  EXPECT_TRUE(succeeded(open_disk({.read_only = true, .force_share = true})));
  EXPECT_TRUE(succeeded(open_disk({}, "off")));
  EXPECT_EQ(message_of(open_disk({}, "on")), write_lock);
}

TEST_F(Lock, FileInUseIsNotEmptiedByCreate) {
  ASSERT_TRUE(succeeded(open_disk({.read_only = true})));
  EXPECT_EQ(message_of(create_image("raw", path, {{"size", "512"}})), write_lock);
  EXPECT_EQ(std::filesystem::file_size(path), 1u << 20);
}

// Runs a stock program to its end and returns what it printed, both streams.
std::string run(std::vector<const char*> command) {
  command.push_back(nullptr);
  GSubprocess* process =
      g_subprocess_newv(command.data(),
                        static_cast<GSubprocessFlags>(G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                                      G_SUBPROCESS_FLAGS_STDERR_MERGE),
                        nullptr);
  if (!process) return "could not be started";
  char* output = nullptr;
  g_subprocess_communicate_utf8(process, nullptr, nullptr, &output, nullptr, nullptr);
  std::string text = output ? output : "";
  g_free(output);
  g_object_unref(process);
  return text;
}

// The disk is a qcow2 image here: over a raw one, qemu-io lets all others read and write.
class LockWithQemu : public Lock {
protected:
  void SetUp() override {
    for (const char* program : {"qemu-io", "qemu-img"}) {
      char* found = g_find_program_in_path(program);
      if (!found) GTEST_SKIP() << program << " is not installed";
      g_free(found);
    }
    run({"qemu-img", "create", "-q", "-f", "qcow2", path.c_str(), "1M"});
  }
  std::string qemu_io(std::vector<const char*> options) {
    std::vector<const char*> command = {"qemu-io", "-f", "qcow2"};
    command.insert(command.end(), options.begin(), options.end());
    for (const char* last : {"-c", "read 0 512", path.c_str()})
      command.push_back(last);
    return run(command);
  }
  static bool says(const std::string& output, const std::string& text) {
    return output.find(text) != std::string::npos;
  }
};

TEST_F(LockWithQemu, OurWriterExcludesQemu) {
  ASSERT_TRUE(succeeded(open_disk({})));
  std::string output = qemu_io({});
  EXPECT_TRUE(says(output, write_lock)) << output;
  output = qemu_io({"-r"});
  EXPECT_TRUE(says(output, shared_write_lock)) << output;
  output = qemu_io({"-r", "-U"});
  EXPECT_TRUE(says(output, "read 512/512 bytes")) << output;
}

TEST_F(LockWithQemu, OurReaderSharesWithQemusReaderOnly) {
  ASSERT_TRUE(succeeded(open_disk({.read_only = true})));
  std::string output = qemu_io({});
  EXPECT_TRUE(says(output, write_lock)) << output;
  output = qemu_io({"-r"});
  EXPECT_TRUE(says(output, "read 512/512 bytes")) << output;
}

// A qemu-io that has the disk open and waits for commands until the end of the test.
class RunningQemu {
public:
  RunningQemu(const std::string& path, const char* option) {
    std::vector<const char*> command = {"qemu-io", "-f", "qcow2", path.c_str()};
    if (option) command.insert(command.begin() + 1, option);
    command.push_back(nullptr);
    process_ = g_subprocess_newv(command.data(),
                                 static_cast<GSubprocessFlags>(G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                                               G_SUBPROCESS_FLAGS_STDOUT_PIPE),
                                 nullptr);
    if (!process_) return;
    // It asks for a command when the file is open.
    char prompt[8] = {};
    g_input_stream_read_all(g_subprocess_get_stdout_pipe(process_), prompt, 7, nullptr, nullptr,
                            nullptr);
    ready_ = std::string(prompt) == "qemu-io";
  }
  ~RunningQemu() {
    if (!process_) return;
    g_output_stream_close(g_subprocess_get_stdin_pipe(process_), nullptr, nullptr);
    g_subprocess_wait(process_, nullptr, nullptr);
    g_object_unref(process_);
  }
  bool ready() const { return ready_; }

private:
  GSubprocess* process_ = nullptr;
  bool ready_ = false;
};

TEST_F(LockWithQemu, QemusWriterExcludesUs) {
  {
    RunningQemu qemu(path, nullptr);
    ASSERT_TRUE(qemu.ready());
    EXPECT_EQ(message_of(open_disk({})), write_lock);
    EXPECT_EQ(message_of(open_disk({.read_only = true})), shared_write_lock);
    EXPECT_EQ(message_of(create_image("raw", path, {{"size", "512"}})), write_lock);
    EXPECT_TRUE(succeeded(open_disk({.read_only = true, .force_share = true})));
  }
  EXPECT_TRUE(succeeded(open_disk({})));
}

TEST_F(LockWithQemu, QemusReaderSharesWithOurReaderOnly) {
  RunningQemu qemu(path, "-r");
  ASSERT_TRUE(qemu.ready());
  EXPECT_TRUE(succeeded(open_disk({.read_only = true})));
  EXPECT_EQ(message_of(open_disk({})), write_lock);
}

} // namespace
} // namespace block
