// Images with a hash algorithm that the build lacks: read, and not written. In this program Botan
// has no hashes, or is absent.
#include "tests/support/qcow2-disk.h"

#include "block/qcow2-driver/driver.h"

namespace qcow2_dedup {
namespace {

constexpr std::size_t algorithm = 112 + 8 + 12; // in the file: the extension is the header's first

TEST(LackingHash, MakesNoImage) {
  block::Qcow2Disk registers_the_drivers;
  for (std::string name : {"skein", "blake2b"}) {
    auto file = block::MemoryFile::create("target-" + name);
    block::Graph graph;
    std::shared_ptr<block::Node> target =
        block::open(graph, {{"driver", "memory"}, {"filename", file->name()}});
    block::Options options{{"size", "1048576"}, {"dedup", name}};
    block::Result<void> made = qcow2_driver::driver.create(*target, options);
    EXPECT_EQ(kind_of(made), block::ErrorKind::unsupported);
    EXPECT_NE(message_of(made).find("hash " + name), std::string::npos) << message_of(made);
    EXPECT_NE(message_of(made).find("not supported by this build, made without Botan"),
              std::string::npos);
    EXPECT_TRUE(file->content().empty());
  }
}

TEST(LackingHash, OfAnImageLetsItBeReadAndNotWritten) {
  block::Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a + b + a);
  ASSERT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> content = disk.file->content();
  content[algorithm] = std::byte{2};
  disk.file->set_content(content);
  block::Result<void> refused = disk.try_open();
  EXPECT_EQ(kind_of(refused), block::ErrorKind::unsupported);
  EXPECT_NE(message_of(refused).find("hash skein is not supported by this build, made without "
                                     "Botan"),
            std::string::npos)
      << message_of(refused);
  EXPECT_EQ(disk.file->content(), content);
  disk.open({{"read-only", "on"}});
  EXPECT_TRUE(disk.holds(0, a + b + a));
  EXPECT_EQ(disk.counters().algorithm, "skein");
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(disk.file->content(), content);
}

TEST(LackingHash, OfAnImageLetsItBeCheckedButNotDeep) {
  block::Qcow2Disk disk;
  disk.write(0, disk.pattern(1) + disk.pattern(2));
  ASSERT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> content = disk.file->content();
  content[algorithm] = std::byte{16};
  disk.file->set_content(content);
  block::Graph graph;
  block::Graph::OpenDefaults defaults;
  defaults.read_only = defaults.for_check = true;
  auto node = graph.open(
      {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", disk.file->name()}},
      defaults);
  ASSERT_TRUE(succeeded(node));
  block::CheckRequest request;
  auto report = (*node)->check(request);
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->leaks + report->corruptions + report->check_errors, 0u);
  request.deep = true;
  EXPECT_EQ(kind_of((*node)->check(request)), block::ErrorKind::unsupported);
}

} // namespace
} // namespace qcow2_dedup
