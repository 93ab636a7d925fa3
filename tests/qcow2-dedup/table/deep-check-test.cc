// check with CheckRequest::deep: hashes of the dedup table against the data they stand for.
#include "tests/support/qcow2-disk.h"

#include <algorithm>

namespace qcow2_dedup {
namespace {

using block::CheckReport;
using block::CheckRequest;
using block::DiskShape;
using block::MemoryOperation;
using block::Qcow2Disk;

using Lines = std::vector<std::string>;

class DeepChecking : public testing::Test {
protected:
  static constexpr std::uint64_t clusters = 3000; // three batches of 4 MiB, two hash blocks

  DeepChecking() : disk(DiskShape{.guest_clusters = clusters}) {
    for (std::uint64_t guest = 0; guest < clusters; guest += 100)
      disk.write(guest, block::pattern(100 * disk.cluster_bytes(), 1 + unsigned(guest)));
  }

  // Changes one byte of a guest cluster's data in the file; the image is closed.
  void damage(std::uint64_t host) {
    std::vector<std::byte> content = disk.file->content();
    content.at(host * disk.cluster_bytes() + 77) ^= std::byte{1};
    disk.file->set_content(std::move(content));
  }

  CheckReport check(bool repair) {
    lines.clear();
    block::Graph graph;
    block::Graph::OpenDefaults defaults;
    defaults.for_check = defaults.no_backing = true;
    defaults.read_only = !repair;
    auto node = graph.open(
        {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", disk.file->name()}},
        defaults);
    EXPECT_TRUE(succeeded(node));
    CheckRequest request;
    request.deep = true;
    request.repair_errors = request.repair_leaks = repair;
    request.report = [&](const std::string& line) { lines.push_back(line); };
    auto report = (*node)->check(request);
    EXPECT_TRUE(succeeded(report));
    return report ? *report : CheckReport{};
  }

  static std::string wrong(std::uint64_t host) {
    return "dedup table entry of cluster " + std::to_string(host) +
           ": its hash is not that of the data";
  }

  // Host clusters at both ends, in the middle, and side by side.
  std::vector<std::uint64_t> some_hosts() {
    std::vector<std::uint64_t> hosts;
    for (std::uint64_t guest : {0, 1, 1000, 1023, 1024, 1025, 1700, 2999})
      hosts.push_back(*disk.host_of(guest));
    std::ranges::sort(hosts);
    return hosts;
  }

  Qcow2Disk disk;
  Lines lines;
};

TEST_F(DeepChecking, NamesEachClusterWhoseDataIsNotWhatItsHashSays) {
  std::vector<std::uint64_t> hosts = some_hosts();
  ASSERT_TRUE(succeeded(disk.close()));
  CheckReport clean = check(false);
  EXPECT_EQ(clean.corruptions, 0u);
  EXPECT_EQ(clean.compared_clusters, clusters);
  Lines expected;
  for (std::uint64_t host : hosts) {
    damage(host);
    expected.push_back("ERROR " + wrong(host));
  }
  EXPECT_EQ(check(false).corruptions, hosts.size());
  EXPECT_EQ(lines, expected);
}

TEST_F(DeepChecking, RepairDropsTheWrongEntriesAndTouchesNoData) {
  std::vector<std::uint64_t> hosts = some_hosts();
  ASSERT_TRUE(succeeded(disk.close()));
  for (std::uint64_t host : hosts)
    damage(host);
  disk.open();
  std::string before = disk.read(0, clusters);
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(check(true).corruptions_fixed, hosts.size());
  EXPECT_EQ(lines.size(), hosts.size());
  EXPECT_EQ(check(false).corruptions, 0u);
  disk.open();
  disk.wait_for_index();
  EXPECT_TRUE(disk.holds(0, before));
  EXPECT_EQ(disk.counters().index_entries, clusters - hosts.size());
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_F(DeepChecking, ReadsNeighboursInOnePiece) {
  ASSERT_TRUE(succeeded(disk.close()));
  std::uint64_t before = disk.file->count(MemoryOperation::read);
  check(false);
  EXPECT_LT(disk.file->count(MemoryOperation::read) - before, 100u);
}

TEST_F(DeepChecking, AClusterThatCannotBeReadHidesNoOther) {
  std::uint64_t unreadable = *disk.host_of(500), damaged = *disk.host_of(501);
  ASSERT_TRUE(succeeded(disk.close()));
  damage(damaged);
  // The read of many clusters that this one is among, and then the read of it alone.
  std::uint64_t place = unreadable * disk.cluster_bytes(), reads = 0, nth = 0, begin = 0;
  disk.file->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes) {
    if (operation != MemoryOperation::read) return;
    ++reads;
    if (offset <= place && place - offset < bytes) nth = reads, begin = offset;
  });
  check(false);
  disk.file->set_hook({});
  disk.file->fail(MemoryOperation::read, nth, EIO);
  disk.file->fail(MemoryOperation::read, nth + 1 + (place - begin) / disk.cluster_bytes(), EIO);
  CheckReport report = check(false);
  EXPECT_EQ(report.corruptions, 1u);
  EXPECT_EQ(report.check_errors, 1u);
  EXPECT_EQ(report.compared_clusters, clusters - 1);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("ERROR cluster " + std::to_string(unreadable) +
                                   " cannot be compared with its hash: "))
      << lines[0];
  EXPECT_EQ(lines[1], "ERROR " + wrong(damaged));
}

TEST_F(DeepChecking, HashesThatNobodyTrustsAreDroppedButNoErrors) {
  disk.reopen(); // the table is in the file
  disk.wait_for_index();
  std::uint64_t host = *disk.host_of(7);
  disk.write(0, disk.pattern(9999)); // marks the image as in use
  disk.flush();
  disk.kill();
  damage(host);
  CheckReport report = check(true);
  EXPECT_NE(std::ranges::find(lines, "Repairing: " + wrong(host) + " (the table is not trusted)"),
            lines.end());
  EXPECT_EQ(report.corruptions, 0u);
}

} // namespace
} // namespace qcow2_dedup
