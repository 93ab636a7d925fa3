// Modules: loading, and what is refused.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include "block/module.h"

namespace block {
namespace {

DriverRegistry& registry() {
  return DriverRegistry::instance();
}

TEST(Module, DriverBuiltFromPublicHeadersAloneWorks) {
  ASSERT_TRUE(succeeded(registry().load_module(EXAMPLE_MODULE)));
  ASSERT_TRUE(succeeded(registry().load_module(EXAMPLE_MODULE))) << "a second time is no harm";
  auto memory = MemoryFile::create("disk", std::vector<std::byte>(1 << 20));
  Graph graph;
  auto node =
      open(graph,
           {{"driver", "xor"}, {"key", "1"}, {"file.driver", "memory"}, {"file.filename", "disk"}});
  ASSERT_TRUE(node);
  const std::string data = pattern(200000);
  EXPECT_TRUE(succeeded(write(*node, 5, "abc")));
  EXPECT_EQ(read(*node->file(), 5, 3), "`cb");
  EXPECT_TRUE(succeeded(write(*node, 1000, data)));
  EXPECT_EQ(read(*node, 1000, data.size()), data);
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(1000, 100000)));
  EXPECT_EQ(read(*node, 1000, data.size()), zeros(100000) + data.substr(100000));
  EXPECT_EQ(message_of(graph.open({{"driver", "xor"}, {"key", "256"}}, {})),
            "Option 'key' must be given, from 1 to 255");
}

TEST(Module, AnotherStampIsRefusedBeforeAnythingRuns) {
  const std::string path = OTHER_STAMP_MODULE;
  const Result<void> loaded = registry().load_module(path);
  EXPECT_EQ(kind_of(loaded), ErrorKind::unsupported);
  EXPECT_EQ(message_of(loaded), "Module '" + path +
                                    "' was built for 'qcow2-dedup 99 other-compiler "
                                    "0123456789abcdef', this program is '" BLOCK_MODULE_STAMP "'");
}

TEST(Module, FileThatIsNoModuleIsRefused) {
  TemporaryDirectory directory;
  for (const std::string& content :
       {std::string(), std::string("no module"), std::string(BLOCK_MODULE_MARK)}) {
    const Result<void> loaded = registry().load_module(directory.make("block-x.so", content));
    EXPECT_FALSE(loaded.ok());
    EXPECT_NE(kind_of(loaded), ErrorKind::not_found);
  }
  // The right stamp, but nothing that can be loaded.
  EXPECT_EQ(kind_of(registry().load_module(directory.make(
                "block-x.so",
                std::string(BLOCK_MODULE_MARK BLOCK_MODULE_STAMP "\0",
                            1 + sizeof BLOCK_MODULE_MARK + sizeof BLOCK_MODULE_STAMP - 2)))),
            ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(registry().load_module(directory.file("gone.so"))), ErrorKind::not_found);
  EXPECT_EQ(kind_of(registry().load_module("/")), ErrorKind::invalid_argument);
}

TEST(Module, DriversOfTheModuleDirectoryAreFoundByName) {
  for (const char* name : {"file", "raw", "null-co"}) {
    auto driver = registry().find(name);
    ASSERT_TRUE(succeeded(driver));
    EXPECT_STREQ((*driver)->format_name, name);
  }
  for (const char* name : {"", "xyz", "../file", "/tmp/file", "raw.so", "raw\n"})
    EXPECT_EQ(message_of(registry().find(name)), "Unknown driver '" + std::string(name) + "'");
  auto all = registry().load_all();
  ASSERT_TRUE(succeeded(all));
  EXPECT_GE(all->size(), 3u);
}

} // namespace
} // namespace block
