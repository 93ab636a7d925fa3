// Opening and closing deduplicated images: requests while the index loads, ends at any moment, and
// what every image pays or does not pay for deduplication.
#include "tests/support/qcow2-disk.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"

#include <condition_variable>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::DedupStatus;
using block::DiskShape;
using block::MemoryOperation;
using block::Qcow2Disk;

// The loader reads so many hash blocks before the open ends, and the rest meanwhile.
constexpr unsigned blocks_at_once = 16;

// Holds every read of a hash block that is not part of the open, until release().
class HeldLoader {
public:
  explicit HeldLoader(block::MemoryFile& file) : file_(file) {
    file.set_hook([this](MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes) {
      bool header = offset == 0;
      if (operation != MemoryOperation::read || bytes != hash_block_bytes || header) return;
      std::unique_lock hold(mutex_);
      if (++reads_ <= blocks_at_once) return;
      changed_.notify_all();
      changed_.wait(hold, [&] { return released_; });
    });
  }
  ~HeldLoader() {
    release();
    file_.set_hook({});
  }
  void wait_until_it_is_held() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return reads_ > blocks_at_once; });
  }
  void release() {
    std::lock_guard hold(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  unsigned reads() {
    std::lock_guard hold(mutex_);
    return reads_;
  }

private:
  block::MemoryFile& file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned reads_ = 0;
  bool released_ = false;
};

// Content of its own in so many clusters that the table has more hash blocks than an open reads.
class OpenLarge : public testing::Test {
protected:
  static constexpr std::uint64_t clusters = 36'000, piece = 1000;
  static constexpr std::uint64_t late = clusters - 1; // what it holds is in the last hash blocks

  static DiskShape shape() {
    DiskShape large;
    large.cluster_bits = 9;
    large.guest_clusters = 40'000;
    return large;
  }
  void SetUp() override {
    for (std::uint64_t guest = 0; guest < clusters; guest += piece)
      disk.write(guest, block::pattern(piece * disk.cluster_bytes(), unsigned(guest) + 1));
    content = disk.read(late);
    EXPECT_TRUE(succeeded(disk.close()));
  }
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }
  Qcow2Disk disk{shape()};
  std::string content; // of `late`
  std::string fresh = disk.pattern(900'001), other = disk.pattern(900'002);
};

TEST_F(OpenLarge, RequestsAreServedWhileTheIndexLoads) {
  HeldLoader loader(*disk.file);
  disk.open();
  loader.wait_until_it_is_held();
  EXPECT_EQ(disk.counters().status, DedupStatus::starting);
  disk.write(39'000, fresh + fresh);
  EXPECT_EQ(disk.host_of(39'000), disk.host_of(39'001)); // what is new is shared at once
  EXPECT_TRUE(disk.holds(late, content));
  disk.flush();
  EXPECT_EQ(disk.counters().status, DedupStatus::starting);
  loader.release();
  disk.wait_for_index();
  EXPECT_EQ(disk.counters().status, DedupStatus::running);
  disk.write(39'100, content + fresh);
  EXPECT_EQ(disk.host_of(39'100), disk.host_of(late));
  EXPECT_EQ(disk.host_of(39'101), disk.host_of(39'000));
}

TEST_F(OpenLarge, WhatChangesWhileTheIndexLoadsIsNotFoundByItsOldHash) {
  HeldLoader loader(*disk.file);
  disk.open();
  loader.wait_until_it_is_held(); // the loader will find the old hash in what it reads
  disk.write(late, fresh);        // in place
  loader.release();
  disk.wait_for_index();
  disk.write(39'000, content);
  EXPECT_TRUE(disk.holds(late, fresh));
  EXPECT_TRUE(disk.holds(39'000, content));
}

// A table of so many hash blocks, all empty, at the end of the file.
void enlarge_table(Qcow2Disk& disk, std::uint32_t blocks) {
  std::vector<std::byte> content = disk.file->content();
  std::size_t table = content.size() / 512 * 512 + 512, first = table + blocks * 8;
  content.resize(first + blocks * hash_block_bytes);
  for (std::uint32_t i = 0; i < blocks; ++i)
    block::store_big_endian(&content[table + i * 8],
                            std::uint64_t{first} + std::uint64_t{i} * hash_block_bytes);
  disk.file->set_content(std::move(content));
  Extension extension = disk.extension();
  extension.table_offset = block::HostOffset(table);
  extension.table_entries = blocks;
  disk.set_extension(extension);
  disk.record_tables_digest();
}

TEST(OpenHuge, ACloseDoesNotWaitForTheWholeIndex) {
  constexpr unsigned blocks = 128;
  DiskShape shape;
  shape.cluster_bits = 9;
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1));
  EXPECT_TRUE(succeeded(disk.close()));
  enlarge_table(disk, blocks);
  {
    HeldLoader loader(*disk.file);
    disk.open();
    loader.wait_until_it_is_held();
    std::thread closing([&] { EXPECT_TRUE(succeeded(disk.close())); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100)); // it has told the loader to end
    loader.release();
    closing.join();
    EXPECT_LE(loader.reads(), 2 * blocks_at_once); // what it had begun
  }
  HeldLoader loader(*disk.file);
  loader.release();
  disk.open();
  disk.wait_for_index();
  EXPECT_EQ(loader.reads(), blocks);
  EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
  EXPECT_TRUE(succeeded(disk.close()));
}

class OpenClose : public testing::Test {
protected:
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }
  Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2);
};

TEST_F(OpenClose, AnImageThatIsOnlyReadKeepsEveryByte) {
  disk.write(0, a + b + a);
  EXPECT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> before = disk.file->content();
  disk.open();
  disk.wait_for_index();
  EXPECT_TRUE(disk.holds(0, a + b + a));
  disk.flush();
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.file->content() == before);
}

TEST_F(OpenClose, ReservedBytesOfTheExtensionOutliveWrites) {
  EXPECT_TRUE(succeeded(disk.close()));
  constexpr std::size_t reserved = 46, reserved_end = 54;
  qcow2::Header header = disk.header();
  std::vector<std::byte> extension = header.find_extension(extension_magic)->data;
  for (std::size_t at = reserved; at < reserved_end; ++at)
    extension[at] = static_cast<std::byte>(at);
  header.set_extension(extension_magic, extension);
  std::vector<std::byte> content = disk.file->content();
  std::vector<std::byte> first = header.encode_over(std::span(content).first(4096)).value();
  std::copy(first.begin(), first.end(), content.begin());
  disk.file->set_content(content);
  disk.open();
  disk.write(0, a + a); // the table gets a place, and the extension names it
  disk.reopen();
  EXPECT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> after = disk.header().find_extension(extension_magic)->data;
  ASSERT_EQ(after.size(), extension.size());
  EXPECT_NE(disk.file64(112 + 8), 0u);
  for (std::size_t at = reserved; at < reserved_end; ++at)
    EXPECT_EQ(after[at], extension[at]) << at;
}

TEST(DedupBlockCache, StaysWithinItsLimit) {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.guest_clusters = 40'000;
  shape.open = {{"dedup-cache-size", "256k"}};
  Qcow2Disk disk(shape);
  std::string data;
  for (std::uint64_t guest = 0; guest < 24'000; guest += 1000) { // some 15 hash blocks
    data = block::pattern(1000 * disk.cluster_bytes(), unsigned(guest) + 1);
    disk.write(guest, data);
  }
  disk.reopen();
  disk.wait_for_index();
  disk.write(30'000, block::pattern(data.size(), 1));
  for (std::uint64_t guest = 0; guest < 24'000; guest += 1000) {
    disk.write(30'000, block::pattern(data.size(), unsigned(guest) + 1));
    EXPECT_LE(disk.counters().cache_bytes, 256u * 1024 + hash_block_bytes);
  }
  EXPECT_EQ(disk.counters().undeduplicated_clusters, 0u);
  EXPECT_GT(disk.counters().cache_misses, 14u);
  EXPECT_TRUE(disk.holds(30'000, data));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

// --- What an image pays. ---

TEST(Cost, WritesFlushNothingUnlessTheGuestAsksForIt) {
  DiskShape shape;
  shape.guest_clusters = 4000;
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1)); // marks the image
  std::uint64_t before = disk.file->count(MemoryOperation::flush);
  for (unsigned i = 1; i < 3000; ++i)
    disk.write(i, disk.pattern(i % 700));
  EXPECT_EQ(disk.file->count(MemoryOperation::flush), before);
  disk.flush();
  EXPECT_LE(disk.file->count(MemoryOperation::flush) - before, 3u);
}

TEST(Cost, TablesAreWrittenOnceForManyClusters) {
  DiskShape shape;
  shape.guest_clusters = 6000;
  Qcow2Disk disk(shape);
  constexpr std::uint64_t clusters = 3000;
  for (std::uint64_t i = 0; i < clusters; ++i) // all over the disk, one at a time
    disk.write(i * 1999 % 6000, disk.pattern(unsigned(i) + 1));
  disk.flush();
  EXPECT_TRUE(succeeded(disk.close()));
  std::uint64_t tables = disk.file->count(MemoryOperation::write) - clusters;
  EXPECT_LE(tables, clusters / 50);
  disk.open();
  disk.wait_for_index();
  std::uint64_t before = disk.file->count(MemoryOperation::write);
  for (std::uint64_t i = 0; i < clusters; ++i) // mostly duplicates
    disk.write((i * 1999 + 1) % 6000, disk.pattern(unsigned(i * 7 % clusters) + 1));
  std::uint64_t stored = disk.counters().undeduplicated_clusters;
  EXPECT_LT(stored, clusters / 2);
  disk.flush();
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_LE(disk.file->count(MemoryOperation::write) - before - stored, clusters / 50);
  disk.expect_clean();
}

TEST(Cost, AFlushOfADedupImageWritesNoRefcounts) {
  Qcow2Disk disk; // with lazy refcounts, always
  disk.write(0, disk.pattern(1));
  disk.flush();
  std::uint64_t refcount_block = disk.file64(disk.header().refcount_table_offset.value());
  block::WriteWatch watch(*disk.file);
  disk.write(1, disk.pattern(1) + disk.pattern(2));
  disk.flush();
  EXPECT_EQ(watch.writes_to(refcount_block / disk.cluster_bytes(), disk.cluster_bytes()), 0u);
  EXPECT_TRUE(disk.header().dirty());
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.header().dirty());
  disk.expect_clean();
}

// Reads of the file that the same guest reads cause. One L2 table maps it all, so that data lies
// the same way.
std::uint64_t reads_of(bool dedup) {
  DiskShape shape;
  shape.dedup = dedup;
  shape.guest_clusters = 500;
  Qcow2Disk disk(shape);
  disk.write(0, block::pattern(500 * disk.cluster_bytes(), 1));
  disk.reopen();
  if (dedup) disk.wait_for_index();
  std::uint64_t before = disk.file->count(MemoryOperation::read);
  EXPECT_TRUE(disk.holds(0, block::pattern(500 * disk.cluster_bytes(), 1)));
  for (std::uint64_t guest = 0; guest < 500; guest += 7)
    (void)disk.read(guest);
  return disk.file->count(MemoryOperation::read) - before;
}

TEST(Cost, ReadsAreThoseOfAPlainImage) {
  std::uint64_t plain = reads_of(false);
  EXPECT_GE(plain, 500u / 7);
  EXPECT_EQ(reads_of(true), plain);
}

} // namespace
} // namespace qcow2_dedup
