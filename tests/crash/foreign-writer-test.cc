// Stock QEMU writes to a deduplicated image and power fails; then our driver goes on.
//
// One thing is not safe, and docs/formats/qcow2-dedup.md says so: stock QEMU clears the autoclear
// bit without a flush before it writes in place, so the new content of a cluster may be durable
// while the header still calls the dedup table current. Such an image is recognised by
// overwritten_behind_the_table(). It is only read, or written to in one of the two ways that the
// document calls safe: with dedup-verify=on, or after check --deep -r all. All other images are
// written to like any.
//
//   CRASH_STATES  for each cluster size a tenth of it is judged here (default 3000)
//   CRASH_SEED    what is left to chance (default 1)
#include "tests/crash/environment.h"
#include "tests/crash/judge.h"
#include "tests/crash/power-cut.h"
#include "tests/crash/stock-guest.h"
#include "tests/crash/stock.h"
#include "tests/crash/table-entries.h"
#include "tests/support/image-walk.h"
#include "tests/support/nodes.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace crash {
namespace {

using block::succeeded;

constexpr const char* file_name = "crash-foreign-writer";

class PowerCutsOfStockQemu : public testing::TestWithParam<Workload> {
protected:
  void SetUp() override {
    if (!stock_is_installed()) GTEST_SKIP() << "no stock QEMU here";
  }

  std::size_t per_cluster() const { return GetParam().cluster_bytes / sector_bytes; }
  std::vector<Tag> content(std::size_t first, std::size_t clusters, std::uint64_t version);
  Bytes deduplicated_image();
  void add_request(StockGuest& stock, std::uint64_t version);
  void judge_session(const Recording& recording);
  void judge_state(const Bytes& image, const Bytes& start);
  void judge_safe_ways(const Bytes& image, const GuestModel& guest, const Bytes& start);
  std::string write_former_content(const Bytes& image, const Options& open, const Bytes& start);

  std::mt19937_64 random_;
  std::uint64_t judged_ = 0, not_noticed_ = 0, unsafe_ = 0, read_wrong_ = 0, shared_clusters_ = 0;
};

// For clusters: new content, or that of a small pool, which the image has already.
std::vector<Tag> PowerCutsOfStockQemu::content(std::size_t first, std::size_t clusters,
                                               std::uint64_t version) {
  std::vector<Tag> tags;
  for (std::size_t cluster = first; cluster < first + clusters; ++cluster) {
    const bool is_new = random_() % 3 == 0;
    const std::uint64_t number = random_() % 24;
    for (std::size_t i = 0; i < per_cluster(); ++i)
      tags.push_back(is_new ? unique_tag(cluster * per_cluster() + i, version)
                            : common_tag(number, i));
  }
  return tags;
}

// For sectors.
std::vector<Tag> new_content(std::size_t first, std::size_t sectors, std::uint64_t version) {
  std::vector<Tag> tags;
  for (std::size_t i = first; i < first + sectors; ++i)
    tags.push_back(unique_tag(i, version));
  return tags;
}

// The first guest cluster whose host cluster no other one refers to.
std::size_t cluster_with_one_owner(const Bytes& image) {
  std::set<std::size_t> sharing;
  for (const auto& owners : block::owners_of_shared_clusters(image))
    sharing.insert(owners.begin(), owners.end());
  std::size_t cluster = 0;
  while (sharing.contains(cluster))
    ++cluster;
  return cluster;
}

// Made, filled in part and closed by our driver.
Bytes PowerCutsOfStockQemu::deduplicated_image() {
  auto file = block::MemoryFile::create(file_name);
  Options create = GetParam().create;
  create.set("size", std::to_string(GetParam().clusters * GetParam().cluster_bytes));
  create.set("cluster_size", std::to_string(GetParam().cluster_bytes));
  EXPECT_TRUE(succeeded(
      block::create_image("qcow2", std::string("memory:") + file_name, std::move(create))));
  GuestDisk disk;
  EXPECT_TRUE(succeeded(disk.open(node_options(GetParam(), file_name))));
  EXPECT_TRUE(succeeded(disk.write(0, content(0, GetParam().filled, 1))));
  EXPECT_TRUE(succeeded(disk.close()));
  return file->content();
}

void PowerCutsOfStockQemu::add_request(StockGuest& stock, std::uint64_t version) {
  const std::uint64_t chance = random_() % 100;
  if (chance < 8) return stock.flush();
  const std::size_t cluster = random_() % GetParam().clusters;
  const std::size_t count =
      1 + random_() % std::min(GetParam().clusters - cluster, GetParam().longest);
  const std::size_t first = cluster * per_cluster(), sectors = count * per_cluster();
  if (chance < 20) return stock.discard(first, sectors);
  if (chance < 28) return stock.write_zeroes(first, sectors, random_() % 2 == 0);
  stock.write(first, content(cluster, count, version));
}

// Where the table is called current: whether a cluster that has an entry was overwritten, and the
// file's tables are still the same, so that the witness cannot notice.
bool overwritten_behind_the_table(const Bytes& image, const Bytes& start,
                                  std::size_t cluster_bytes) {
  if (tables_differ(image, start)) return false;
  for (std::uint64_t cluster : clusters_with_entry(start)) {
    const std::uint64_t at = cluster * cluster_bytes;
    if (!std::equal(&start[at], &start[at] + cluster_bytes, &image[at])) return true;
  }
  return false;
}

void PowerCutsOfStockQemu::judge_state(const Bytes& image, const Bytes& start) {
  // Stock QEMU may reuse a cluster before the entry that dropped it is durable, so the guest may
  // find content that it never wrote there. Whatever it finds has to stay as it is.
  const std::vector<Tag> found = tags_in(block::guest_content(image));
  GuestModel guest(found.size());
  guest.will_write(0, found);
  guest.flushed();
  const Recovery& recovery = recoveries[judged_++ % own_recoveries];
  Judge::Table table = Judge::Table::right;
  if (says_table_is_trusted(image)) {
    ++not_noticed_;
    table = Judge::Table::wrong;
    if (overwritten_behind_the_table(image, start, GetParam().cluster_bytes)) {
      ++unsafe_;
      table = Judge::Table::treacherous;
      read_wrong_ += write_former_content(image, GetParam().open, start) != "";
      ASSERT_NO_FATAL_FAILURE(judge_safe_ways(image, guest, start));
    } else {
      ASSERT_EQ(write_former_content(image, GetParam().open, start), "");
    }
  }
  Judge judge(GetParam(), table);
  ASSERT_EQ(judge.judge(image, guest, recovery, random_()), "");
  shared_clusters_ += judge.shared_clusters();
}

// The guest writes again what it had before the foreign writer came: where an entry of it is wrong
// and trusted, something else is read. Returns what is wrong, or nothing.
std::string PowerCutsOfStockQemu::write_former_content(const Bytes& image, const Options& open,
                                                       const Bytes& start) {
  auto file = block::MemoryFile::create(file_name, image);
  Workload workload = GetParam();
  workload.open = open;
  const std::vector<Tag> former = tags_in(block::guest_content(start));
  GuestDisk disk;
  auto write_and_read = [&]() -> Result<std::vector<Tag>> {
    BLOCK_TRY(disk.open(node_options(workload, file_name)));
    BLOCK_TRY(disk.wait_for_dedup());
    BLOCK_TRY(disk.write(0, former));
    BLOCK_TRY(disk.close());
    BLOCK_TRY(disk.open_read_only(node_options(workload, file_name)));
    return disk.read_all();
  };
  const Result<std::vector<Tag>> read = write_and_read();
  if (!read) return read.error().message();
  return *read == former ? std::string() : "the guest does not read what it has written again";
}

// Of a table with entries of former contents.
void PowerCutsOfStockQemu::judge_safe_ways(const Bytes& image, const GuestModel& guest,
                                           const Bytes& start) {
  const Recovery opening;
  Workload verifying = GetParam();
  verifying.open.set("dedup-verify", "on");
  ASSERT_EQ(Judge(verifying, Judge::Table::wrong).judge(image, guest, opening, random_()), "")
      << "with dedup-verify=on";
  ASSERT_EQ(write_former_content(image, verifying.open, start), "") << "with dedup-verify=on";
  auto file = block::MemoryFile::create(file_name, image);
  std::string lines;
  ASSERT_TRUE(succeeded(check(node_options(GetParam(), file_name), Repair::all, lines, true)));
  ASSERT_EQ(Judge(GetParam()).judge(file->content(), guest, opening, random_()), "")
      << "after check --deep -r all:" << lines;
  ASSERT_EQ(write_former_content(file->content(), GetParam().open, start), "")
      << "after check --deep -r all:" << lines;
}

void PowerCutsOfStockQemu::judge_session(const Recording& recording) {
  Bytes durable = recording.start;
  for (std::size_t i = 0; i < recording.epochs.size(); ++i) {
    const Epoch& epoch = recording.epochs[i];
    for (PowerCut cut : power_cuts(epoch, 8)) {
      // Until the first flush the header may lag behind.
      if (i > 0 && random_() % 12 != 0) continue;
      SCOPED_TRACE("epoch " + std::to_string(i) + " of " + std::to_string(epoch.changes.size()) +
                   " writes: " + cut.describe());
      judge_state(image_after(durable, epoch, cut, random_()), recording.start);
      if (HasFailure()) return;
    }
    apply_flush(durable, epoch);
  }
}

TEST_P(PowerCutsOfStockQemu, LeaveAnImageThatOurDriverMayUse) {
  const std::uint64_t wanted = std::max<std::uint64_t>(1, environment("CRASH_STATES", 3000) / 10);
  random_.seed(environment("CRASH_SEED", 1));
  while (judged_ < wanted && !HasFailure()) {
    const Bytes image = deduplicated_image();
    ASSERT_TRUE(says_table_is_trusted(image));
    StockGuest stock;
    // The first session overwrites a cluster in place before anything is flushed: one of its power
    // cuts leaves the new data and the former header.
    if (judged_ == 0) {
      const std::size_t first = cluster_with_one_owner(image) * per_cluster();
      stock.write(first, new_content(first, per_cluster(), 2));
    }
    for (std::size_t i = 0; i < GetParam().steps; ++i)
      add_request(stock, 3 + i);
    Result<Recording> recording = stock.run(image);
    ASSERT_TRUE(succeeded(recording));
    judge_session(*recording);
  }
  auto tell = [](std::uint64_t count, const char* what) {
    std::printf("%8llu %s\n", static_cast<unsigned long long>(count), what);
  };
  tell(judged_, "judged");
  tell(not_noticed_, "of them with a header that does not tell of a foreign writer");
  tell(unsafe_, "of them overwritten behind the table");
  tell(read_wrong_, "of them read wrong after former content was written, if nothing is done");
  tell(shared_clusters_, "shared clusters whose owners were overwritten");
  if (HasFailure()) return;
  EXPECT_GT(unsafe_, 0u);
  EXPECT_GT(read_wrong_, 0u); // so the judge would see it, if a safe way were not safe
  EXPECT_GT(not_noticed_, unsafe_);
  EXPECT_GT(shared_clusters_, 0u);
}

// Stock QEMU flushes the header before it enters a table, so no power cut leaves a new table and
// the former header. A disk that does not do what a flush asks for does, and so does a copy.
class StockQemuOnADiskThatLostTheHeader : public PowerCutsOfStockQemu {};

TEST_P(StockQemuOnADiskThatLostTheHeader, LeavesATableThatTheWitnessDoesNotTrust) {
  const Bytes start = deduplicated_image();
  StockGuest stock;
  stock.write(0, content(0, GetParam().clusters, 2));
  Result<Recording> recording = stock.run(start);
  ASSERT_TRUE(succeeded(recording));
  Bytes image = recording->start;
  for (const Epoch& epoch : recording->epochs)
    apply_flush(image, epoch);
  EXPECT_FALSE(says_table_is_trusted(image));
  std::copy_n(start.begin(), GetParam().cluster_bytes, image.begin());
  ASSERT_TRUE(says_table_is_trusted(image));
  ASSERT_TRUE(tables_differ(image, start)) << "no refcount block was made";
  EXPECT_EQ(write_former_content(image, GetParam().open, start), "");
}

Workload workload(std::string name, std::size_t cluster_bytes, std::size_t clusters) {
  return {.name = std::move(name),
          .create = {{"dedup", "sha256"}},
          .open = {},
          .cluster_bytes = cluster_bytes,
          .clusters = clusters,
          .filled = clusters * 3 / 4,
          .longest = 6,
          .steps = 14};
}

// A refcount block counts 256 clusters, and this writes more.
INSTANTIATE_TEST_SUITE_P(Workloads, StockQemuOnADiskThatLostTheHeader,
                         testing::Values(workload("dedup_512", 512, 600)),
                         [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(Workloads, PowerCutsOfStockQemu,
                         testing::Values(workload("dedup_512", 512, 160),
                                         workload("dedup_4096", 4096, 64)),
                         [](const auto& test) { return test.param.name; });

} // namespace
} // namespace crash
