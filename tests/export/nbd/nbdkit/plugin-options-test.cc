// The arguments of the plugin, started by a user and by the daemon.
#include "block/export/nbd/nbdkit/plugin-options.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace exports {
namespace {

// Records what it is asked for. Nothing here starts it.
class RecordingHost final : public PluginHost {
public:
  block::Result<void> add_option(const std::string& option, const std::string& text) override {
    asked.push_back(option + "=" + text);
    if (option == "export") exported = true;
    return {};
  }
  void add_disk(const std::string& file, const std::string& format, bool writable) override {
    asked.push_back("disk " + file + " " + format + (writable ? " writable" : " read-only"));
    exported = true;
  }
  bool has_exports() const override { return exported; }
  block::Result<void> validate() override { std::abort(); }
  block::Result<void> start(std::function<void()>, int) override { std::abort(); }
  NbdExports& exports() override { std::abort(); }
  block::Result<void> stop() override { std::abort(); }

  std::vector<std::string> asked;
  bool exported = false;
};

class PluginOptionsTest : public testing::Test {
protected:
  std::string error_of(const std::string& key, const std::string& value) {
    auto taken = options_.take(key, value);
    return taken ? "" : taken.error().message();
  }

  RecordingHost host_;
  PluginOptions options_{host_};
};

TEST_F(PluginOptionsTest, AFileBecomesADisk) {
  ASSERT_EQ(error_of("file", "a.img"), "");
  ASSERT_EQ(error_of("format", "raw"), "");
  ASSERT_EQ(error_of("readonly", "on"), "");
  ASSERT_TRUE(options_.finish().ok());
  EXPECT_EQ(host_.asked, std::vector<std::string>{"disk a.img raw read-only"});
  EXPECT_EQ(error_of("file", "b.img"),
            "file= is given twice: use blockdev= and export= for several images");
}

TEST_F(PluginOptionsTest, APathForQmpBecomesAMonitor) {
  ASSERT_EQ(error_of("qmp", "a,b"), "");
  EXPECT_EQ(host_.asked,
            (std::vector<std::string>{"chardev=socket,server=on,wait=off,id=qmp,path=a,,b",
                                      "monitor=chardev=qmp"}));
}

TEST_F(PluginOptionsTest, AUserGivesSomethingToServeAndNeitherAddressNorTls) {
  EXPECT_EQ(options_.finish().error().message(),
            "nothing to serve: give file=PATH, or blockdev= and export=");
  for (const char* key : {"nbd-server", "object"})
    EXPECT_EQ(error_of(key, "x"),
              std::string(key) + "=: address and TLS are options of nbdkit itself");
  ASSERT_EQ(error_of("export", "x"), "");
  EXPECT_TRUE(options_.finish().ok());
}

TEST_F(PluginOptionsTest, TheDaemonPassesItsOptionsAndMayServeNothingYet) {
  EXPECT_LT(options_.ready_fd(), 0);
  for (const char* key : {"program", "nbd-server", "object", "blockdev"})
    ASSERT_EQ(error_of(key, "x"), "");
  ASSERT_EQ(error_of("ready-fd", "5"), "");
  ASSERT_EQ(error_of("parallel", "on"), "");
  EXPECT_TRUE(options_.finish().ok());
  EXPECT_EQ(host_.asked, (std::vector<std::string>{"nbd-server=x", "object=x", "blockdev=x"}));
  EXPECT_EQ(options_.program(), "x");
  EXPECT_EQ(options_.ready_fd(), 5);
  EXPECT_TRUE(options_.parallel());
}

TEST_F(PluginOptionsTest, ValuesThatCannotBeAreRefused) {
  EXPECT_NE(error_of("parallel", "perhaps"), "");
  EXPECT_NE(error_of("readonly", "perhaps"), "");
  EXPECT_NE(error_of("ready-fd", "x"), "");
}

} // namespace
} // namespace exports
