// Debug events of the driver: each is told, right before what its name says.
#include "tests/support/qcow2-disk.h"

#include <functional>

namespace qcow2_dedup {
namespace {

using block::DebugEvent;
using block::DiskShape;
using block::Qcow2Disk;
using block::Result;

// So small that few writes make refcount blocks and their table grow: a block counts 64 clusters,
// the table has room for 64 blocks.
DiskShape small() {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.guest_clusters = 20'000;
  shape.refcount_bits = 64;
  return shape;
}

std::string contents(const Qcow2Disk& disk, unsigned first, unsigned clusters) {
  std::string data;
  for (unsigned i = 0; i < clusters; ++i)
    data += disk.pattern(first + i);
  return data;
}

TEST(EventsOfTheDriver, AreAllTold) {
  auto base = block::MemoryFile::create("base", std::vector<std::byte>(4096));
  DiskShape shape = small();
  shape.open = {{"backing.driver", "memory"}, {"backing.filename", "base"}};
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1));
  disk.write(1, disk.pattern(1));
  disk.write_at(4 * 512 + 7, "a part");
  for (unsigned first = 100; first < 4900; first += 100)
    disk.write(first, contents(disk, first, 100));
  disk.flush();
  disk.discard(0);
  disk.flush();
  EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(10, disk.pattern(1));
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.wait_for_scan();
  EXPECT_TRUE(succeeded(disk.node().co_truncate(16u << 20)));
  disk.reopen();
  EXPECT_TRUE(disk.holds(1, disk.pattern(1)));
  disk.wait_for_index();
  disk.write(15'000, disk.pattern(1)); // looks its hash up
  EXPECT_EQ(disk.read(5), disk.zeros());
  EXPECT_TRUE(succeeded(disk.close()));

  const std::set<DebugEvent> of_blkdebug = {DebugEvent::pwritev, DebugEvent::pwritev_zero,
                                            DebugEvent::flush_to_disk};
  const std::set<DebugEvent> told = disk.file->events();
  for (const block::DebugEventInfo& info : block::debug_events)
    EXPECT_EQ(told.contains(info.event), !of_blkdebug.contains(info.event)) << info.name;
}

// What fails when the next request after an event does.
struct Fault {
  const char* event;
  std::function<Result<void>(Qcow2Disk&)> request;
  std::function<std::string(Qcow2Disk&)> message; // begins so
};

std::string write_to(std::uint64_t host_offset) {
  char text[64];
  std::snprintf(text, sizeof text, "write at host offset 0x%llx: error injected",
                static_cast<unsigned long long>(host_offset));
  return text;
}

Result<void> write_all(Qcow2Disk& disk) {
  for (unsigned first = 100; first < 4900; first += 100)
    BLOCK_TRY(disk.try_write(first, contents(disk, first, 100)));
  return {};
}
Result<void> write_one(Qcow2Disk& disk) {
  return disk.try_write(7, disk.pattern(7));
}
Result<void> write_far(Qcow2Disk& disk) {
  return disk.try_write(15'000, disk.pattern(7));
}
Result<void> write_far_and_flush(Qcow2Disk& disk) {
  BLOCK_TRY(write_far(disk));
  return disk.node().co_flush();
}
Result<void> write_and_flush(Qcow2Disk& disk) {
  BLOCK_TRY(write_one(disk));
  return disk.node().co_flush();
}
Result<void> read_one(Qcow2Disk& disk) {
  std::string data(512, '?');
  return disk.node().co_readv(0, block::IoVector(data.data(), data.size()));
}
Result<void> write_a_part(Qcow2Disk& disk) {
  BLOCK_TRY(read_one(disk)); // so that the L2 table is in memory
  return block::write(disk.node(), 3, "a part");
}
Result<void> grow(Qcow2Disk& disk) {
  return disk.node().co_truncate(16u << 20);
}
auto text(const char* words) {
  return [words](Qcow2Disk&) { return std::string(words); };
}

const Fault faults[] = {
    {"l2_load", read_one, text("L2 table: read at")},
    {"l2_alloc_write", write_far, text("new L2 table: write at")},
    {"l2_update", write_and_flush,
     [](Qcow2Disk& disk) { return write_to(disk.l2_entry_place(0) / 512 * 512); }},
    {"l1_update", write_far_and_flush,
     [](Qcow2Disk& disk) {
       return write_to(disk.header().l1_offset.value() + 128 * 8); // the tables of a group
     }},

    {"read_aio", read_one,
     [](Qcow2Disk& disk) {
       std::string place = write_to(disk.l2_entry(0) & qcow2::offset_mask);
       return place.replace(0, 5, "read");
     }},
    {"write_aio", write_one, text("write at")},
    {"cow_read", write_a_part, text("read at")},
    {"refblock_load", write_one, text("refcount block: read at")},
    {"refblock_alloc_write", write_all, text("new refcount block: write at")},
    {"refblock_alloc_write_blocks", write_all, text("growing the refcount table: write at")},
    {"refblock_alloc_write_table", write_all, text("growing the refcount table: write at")},
    {"refblock_alloc_switch_table", write_all,
     text("growing the refcount table: image header: write at host offset 0x0")},
    {"l1_grow_write_table", grow, text("resizing: write at")},
    {"l1_grow_activate_table", grow, text("resizing: image header: write at host offset 0x0")},
};

class AnErrorAfter : public testing::TestWithParam<Fault> {};

TEST_P(AnErrorAfter, TheEventIsThatOfItsStepAndTheNextRequestWorks) {
  const Fault& fault = GetParam();
  DiskShape shape = small();
  shape.debug = true;
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1));
  disk.write(63, disk.pattern(2));
  ASSERT_TRUE(succeeded(disk.close()));
  // A cache too small to read L2 tables ahead, which would be tried again one by one.
  disk.open({{"file.inject-error.0.event", fault.event},
             {"file.inject-error.0.once", "on"},
             {"l2-cache-size", "64k"}});
  const std::string error = message_of(fault.request(disk));
  EXPECT_EQ(error.substr(0, fault.message(disk).size()), fault.message(disk)) << error;
  EXPECT_TRUE(succeeded(fault.request(disk)));
  EXPECT_TRUE(disk.holds(63, disk.pattern(2)));
  disk.reopen();
  EXPECT_TRUE(disk.holds(63, disk.pattern(2)));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

INSTANTIATE_TEST_SUITE_P(Events, AnErrorAfter, testing::ValuesIn(faults),
                         [](const auto& test) { return std::string(test.param.event); });

} // namespace
} // namespace qcow2_dedup
