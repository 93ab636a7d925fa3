// Image locks: between our own nodes, and with stock QEMU both ways.
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <csignal>
#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

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

char** arguments_of(std::vector<const char*>& command) {
  command.push_back(nullptr);
  return const_cast<char**>(command.data());
}

// Runs a stock program to its end and returns what it printed, both streams.
std::string run(std::vector<const char*> command) {
  char *output = nullptr, *errors = nullptr;
  if (!g_spawn_sync(nullptr, arguments_of(command), nullptr, G_SPAWN_SEARCH_PATH, nullptr, nullptr,
                    &output, &errors, nullptr, nullptr))
    return "could not be started";
  std::string text = std::string(output) + errors;
  g_free(output);
  g_free(errors);
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
    if (!g_spawn_async_with_pipes(
            nullptr, arguments_of(command), nullptr,
            static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD), nullptr,
            nullptr, &process_, &input_, &output_, nullptr, nullptr))
      return;
    // It asks for a command when the file is open.
    const std::string prompt = "qemu-io";
    std::string printed;
    char next = 0;
    while (printed.size() < prompt.size() && ::read(output_, &next, 1) == 1)
      printed += next;
    ready_ = printed == prompt;
  }
  ~RunningQemu() {
    if (process_ == 0) return;
    ::close(input_); // it ends with its input
    waitpid(process_, nullptr, 0);
    ::close(output_);
  }
  bool ready() const { return ready_; }

private:
  GPid process_ = 0;
  int input_ = -1, output_ = -1;
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
