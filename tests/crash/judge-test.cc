// Tests of the Judge: it finds nothing wrong with a sound image, and finds what was forged into
// one.
#include "tests/crash/judge.h"
#include "tests/crash/table-entries.h"
#include "tests/support/nodes.h"

#include "block/endian.h"

#include <gtest/gtest.h>

namespace crash {
namespace {

using block::succeeded;

constexpr const char* file_name = "crash-judge-test";
constexpr std::uint64_t copied = std::uint64_t{1} << 63;

// Clusters 0 to 15 hold contents 0, 0, 1, 2, ..., 14: the first two share.
class JudgeOfAnImage : public testing::Test {
protected:
  JudgeOfAnImage() : guest(clusters * per_cluster) {
    auto file = block::MemoryFile::create(file_name);
    Options create = workload.create;
    create.set("size", std::to_string(clusters * workload.cluster_bytes));
    create.set("cluster_size", std::to_string(workload.cluster_bytes));
    EXPECT_TRUE(succeeded(
        block::create_image("qcow2", std::string("memory:") + file_name, std::move(create))));
    std::vector<Tag> tags;
    for (std::uint64_t i = 0; i < filled; ++i)
      for (std::uint64_t k = 0; k < per_cluster; ++k)
        tags.push_back(common_tag(i == 0 ? 0 : i - 1, k));
    guest.will_write(0, tags);
    GuestDisk disk;
    EXPECT_TRUE(succeeded(disk.open(node_options(workload, file_name))));
    EXPECT_TRUE(succeeded(disk.write(0, tags)));
    EXPECT_TRUE(succeeded(disk.close()));
    guest.flushed();
    image = file->content();
  }

  std::uint64_t load(std::uint64_t at) const {
    return block::load_big_endian<std::uint64_t>(&image[at]);
  }
  void store(std::uint64_t at, std::uint64_t value) { block::store_big_endian(&image[at], value); }
  std::uint64_t l2_entry(std::uint64_t cluster) const {
    return (load(load(40)) & ~copied) + cluster * 8;
  }
  std::uint64_t host(std::uint64_t cluster) const { return load(l2_entry(cluster)) & ~copied; }

  // What is said after any of our own recoveries.
  std::vector<std::string> judged(Judge::Table table = Judge::Table::right) const {
    std::vector<std::string> said;
    for (std::size_t i = 0; i < own_recoveries; ++i)
      for (std::uint64_t seed = 0; seed < 24; ++seed)
        said.push_back(Judge(workload, table).judge(image, guest, recoveries[i], seed));
    return said;
  }

  static constexpr std::uint64_t clusters = 48, filled = 16, per_cluster = 8;
  const Workload workload{.name = "judged",
                          .create = {{"dedup", "sha256"}},
                          .open = {},
                          .cluster_bytes = per_cluster * sector_bytes,
                          .rebuilds = true};
  GuestModel guest;
  Bytes image;
};

TEST_F(JudgeOfAnImage, FindsNothingWrongWithASoundOne) {
  for (const std::string& said : judged())
    EXPECT_EQ(said, "");
}

TEST_F(JudgeOfAnImage, FindsContentOfAnotherCluster) {
  std::swap_ranges(&image[host(3)], &image[host(3)] + sector_bytes, &image[host(4)]);
  for (const std::string& said : judged())
    EXPECT_NE(said.find("was flushed as"), std::string::npos) << said;
}

TEST_F(JudgeOfAnImage, FindsThatTheTableHasTheHashOfFormerContent) {
  // As a foreign writer that is not noticed leaves it.
  std::swap_ranges(&image[host(5)], &image[host(5)] + workload.cluster_bytes, &image[host(6)]);
  guest.will_write(5 * per_cluster,
                   tags_in(std::span(image).subspan(host(5), workload.cluster_bytes)));
  guest.will_write(6 * per_cluster,
                   tags_in(std::span(image).subspan(host(6), workload.cluster_bytes)));
  guest.flushed();
  bool found = false;
  for (const std::string& said : judged(Judge::Table::wrong))
    found = found || said.find("after duplicates were written") != std::string::npos;
  EXPECT_TRUE(found);
  for (const std::string& said : judged(Judge::Table::treacherous))
    EXPECT_EQ(said, "");
}

TEST_F(JudgeOfAnImage, FindsAnOwnerThatWritesInPlaceWhatAnotherOneReads) {
  ASSERT_EQ(host(0), host(1));
  store(l2_entry(1), host(1) | copied);
  ASSERT_TRUE(says_table_is_trusted(image));
  std::size_t in_check = 0, in_use = 0;
  for (const std::string& said : judged())
    in_check += said.find("OFLAG_COPIED") != std::string::npos ? 1 : 0;
  // The final check would mend it, so only the comparisons may find it.
  for (const std::string& said : judged(Judge::Table::wrong))
    in_use += said.find("overwriting the owners") != std::string::npos ? 1 : 0;
  EXPECT_GT(in_check, 0u);
  EXPECT_GT(in_use, 0u);
}

TEST_F(JudgeOfAnImage, CountsTheSharedClustersWhoseOwnersItOverwrote) {
  Judge judge(workload);
  EXPECT_EQ(judge.judge(image, guest, recoveries[0], 1), "");
  EXPECT_GT(judge.shared_clusters(), 0u);
}

} // namespace
} // namespace crash
