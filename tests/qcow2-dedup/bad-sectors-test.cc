// Each sector of a small image in turn cannot be read, or not be written, while the image is
// opened, used, closed, checked and repaired. Nothing else of it suffers: what does not lie there
// is read and written, hints never refuse anything, and with the sector readable again the image is
// sound.
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

#include <algorithm>
#include <map>
#include <set>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::Graph;
using block::Qcow2Disk;
using block::Result;

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t guest_clusters = 512; // eight L2 tables

enum class Fault : std::uint8_t { read, write, both };
enum class State : std::uint8_t { closed, crashed };

DiskShape tiny(bool dedup) {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.guest_clusters = guest_clusters;
  shape.dedup = dedup;
  return shape;
}

// What each guest cluster may hold: the last content that is known to be durable, and all since.
class Guest {
public:
  explicit Guest(Qcow2Disk& disk) : disk_(disk) {}

  bool write(std::uint64_t guest, unsigned first_seed, unsigned clusters) {
    std::string data;
    for (unsigned i = 0; i < clusters; ++i) {
      data += disk_.pattern(first_seed + i);
      may_hold(guest + i, disk_.pattern(first_seed + i));
    }
    return disk_.try_write(guest, data).ok();
  }
  bool discard(std::uint64_t guest, std::uint64_t clusters) {
    for (std::uint64_t i = 0; i < clusters; ++i)
      may_hold(guest + i, disk_.zeros());
    std::uint64_t bytes = disk_.cluster_bytes();
    return disk_.node().co_pdiscard(guest * bytes, clusters * bytes).ok();
  }
  // Everything succeeded and is durable.
  void settle() {
    for (auto& [guest, contents] : contents_)
      contents = {contents.back()};
  }
  // Returns how many clusters cannot be read. What can be read must be something that was written.
  std::size_t unreadable() {
    std::size_t errors = 0;
    for (std::uint64_t guest = 0; guest < guest_clusters; ++guest) {
      std::string found = disk_.read(guest);
      if (found.starts_with("read failed")) {
        ++errors;
        continue;
      }
      auto known = contents_.find(guest);
      bool right = known == contents_.end()
                       ? found == disk_.zeros()
                       : std::ranges::find(known->second, found) != known->second.end();
      EXPECT_TRUE(right) << "guest cluster " << guest;
    }
    return errors;
  }

private:
  void may_hold(std::uint64_t guest, std::string content) {
    auto [at, is_new] = contents_.try_emplace(guest);
    if (is_new) at->second.push_back(disk_.zeros());
    at->second.push_back(std::move(content));
  }

  Qcow2Disk& disk_;
  std::map<std::uint64_t, std::vector<std::string>> contents_;
};

class Image {
public:
  explicit Image(bool dedup, State state) : disk(tiny(dedup)), guest(disk) {
    for (std::uint64_t table = 0; table < 8; ++table)
      guest.write(table * 64, unsigned(table) * 10, 12); // each shares two with the next
    guest.write(30, 3, 4);
    guest.discard(2, 3);
    guest.write(60, 200, 1);
    disk.flush();
    guest.settle();
    if (state == State::crashed)
      disk.kill();
    else
      EXPECT_TRUE(succeeded(disk.close()));
    bytes = disk.file->content().size();
    const qcow2::Header header = disk.header();
    add(essential, 0, disk.cluster_bytes());
    add(essential, header.l1_offset.value(), header.l1_bytes());
    const std::uint64_t refcounts = header.refcount_table_offset.value();
    add(essential, refcounts, header.refcount_table_bytes());
    for (std::uint64_t at = 0; at < header.refcount_table_bytes(); at += 8)
      if (std::uint64_t refcount_block = disk.file64(refcounts + at))
        add(essential, refcount_block, disk.cluster_bytes());
    if (dedup) {
      const Extension extension = disk.extension();
      add(hints, extension.table_offset.value(), extension.table_entries * 8);
      for (std::uint32_t i = 0; i < extension.table_entries; ++i)
        if (std::uint64_t hash_block = disk.file64(extension.table_offset.value() + i * 8))
          add(hints, hash_block, hash_block_bytes);
    }
  }

  bool is_hint(std::uint64_t offset) const { return hints.contains(offset / sector); }
  // Without which an image cannot be written to: the header, the refcounts and the L1 table.
  bool is_essential(std::uint64_t offset) const { return essential.contains(offset / sector); }

  Qcow2Disk disk;
  Guest guest;
  std::uint64_t bytes;

private:
  static void add(std::set<std::uint64_t>& sectors, std::uint64_t offset, std::uint64_t length) {
    for (std::uint64_t at = offset; at < offset + length; at += sector)
      sectors.insert(at / sector);
  }

  std::set<std::uint64_t> hints, essential; // sectors
};

// What a session could not do.
struct Refused {
  bool open = false;
  std::size_t requests = 0;
  bool close = false;
};

// New contents, known ones, in place and of shared clusters.
Refused session(Image& image, unsigned seed) {
  Refused refused;
  if (!image.disk.try_open()) {
    refused.open = true;
    (void)image.disk.close();
    return refused;
  }
  auto request = [&](bool done) { refused.requests += done ? 0 : 1; };
  request(image.guest.write(5, seed, 3));
  request(image.guest.write(70, seed + 1, 20));
  request(image.guest.write(130, 10, 2));
  request(image.guest.discard(200, 4));
  request(image.guest.write(320, 50, 5));
  request(image.disk.node().co_flush().ok());
  refused.requests += image.guest.unreadable();
  request(image.guest.write(400, seed + 30, 8));
  refused.close = !image.disk.close();
  return refused;
}

block::CheckReport run_check(Qcow2Disk& disk, bool repair) {
  Graph::OpenDefaults defaults;
  defaults.for_check = true;
  defaults.read_only = !repair;
  block::CheckReport report;
  if (disk.try_open({}, defaults)) {
    block::CheckRequest request;
    request.repair_errors = request.repair_leaks = repair;
    if (Result<block::CheckReport> done = disk.node().check(request)) report = *done;
  }
  (void)disk.close();
  return report;
}

class BadSectors : public testing::TestWithParam<std::tuple<bool, State, Fault>> {};

TEST_P(BadSectors, CostWhatLiesThereAndNothingElse) {
  auto [dedup, state, fault] = GetParam();
  const std::uint64_t sectors = Image(dedup, state).bytes / sector;
  for (std::uint64_t at = 0; at < sectors; ++at) {
    SCOPED_TRACE("sector " + std::to_string(at));
    Image image(dedup, state);
    if (fault != Fault::write) image.disk.file->fail_reads_of(at * sector);
    if (fault != Fault::read) image.disk.file->fail_writes_of(at * sector);
    const bool hint = image.is_hint(at * sector);

    run_check(image.disk, false);
    Refused first = session(image, 500);
    block::CheckReport repaired = run_check(image.disk, true);
    Refused second = session(image, 600);
    EXPECT_FALSE((first.open || second.open) && !image.is_essential(at * sector));
    if (hint) {
      EXPECT_FALSE(first.open || first.close || second.open || second.close);
      EXPECT_EQ(first.requests + second.requests, 0u);
      EXPECT_EQ(repaired.corruptions + repaired.check_errors, 0u);
      image.guest.settle();
    }

    image.disk.file->heal();
    ASSERT_TRUE(succeeded(image.disk.try_open()));
    EXPECT_EQ(image.guest.unreadable(), 0u);
    EXPECT_TRUE(image.guest.write(450, 1000, 6));
    ASSERT_TRUE(succeeded(image.disk.close()));
    image.disk.expect_consistent();
    run_check(image.disk, true);
    if (at % 16 == 0)
      image.disk.expect_clean(); // asks stock QEMU, too
    else
      EXPECT_EQ(run_check(image.disk, false).leaks, 0u);
    image.disk.open();
    EXPECT_EQ(image.guest.unreadable(), 0u);
    if (HasFailure()) break;
  }
}

std::string name_of(const testing::TestParamInfo<BadSectors::ParamType>& test) {
  auto [dedup, state, fault] = test.param;
  return std::string(dedup ? "Dedup" : "Plain") + (state == State::closed ? "Closed" : "Crashed") +
         (fault == Fault::read    ? "Read"
          : fault == Fault::write ? "Write"
                                  : "Both");
}

INSTANTIATE_TEST_SUITE_P(Image, BadSectors,
                         testing::Combine(testing::Bool(),
                                          testing::Values(State::closed, State::crashed),
                                          testing::Values(Fault::read, Fault::write, Fault::both)),
                         name_of);

// Neither the table nor what is shared by it may refuse a guest anything.
class BadHint : public testing::Test {
protected:
  BadHint() {
    disk.graph.set_event_sink(
        [this](const block::Node&, block::NodeEvent event, const std::string& message) {
          if (event == block::NodeEvent::warning) told.push_back(message);
        });
    disk.write(0, disk.pattern(1) + disk.pattern(2));
    EXPECT_TRUE(succeeded(disk.close()));
    table = disk.extension().table_offset.value();
  }

  Qcow2Disk disk;
  std::uint64_t table;
  std::vector<std::string> told;
};

TEST_F(BadHint, ABlockThatCannotBeReadIsWrittenAnew) {
  disk.file->fail_reads_of(disk.file64(table) + 40000);
  disk.open();
  disk.discard(0);
  disk.write(2, disk.pattern(3) + disk.pattern(3));
  EXPECT_TRUE(succeeded(disk.close()));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("hash block 0 is lost"), std::string::npos) << told[0];
  disk.file->heal();
  disk.expect_clean();
  disk.open();
  EXPECT_TRUE(disk.counters().table_trusted);
  disk.write(9, disk.pattern(3));
  EXPECT_EQ(disk.refcount_of(9), 3u);
}

TEST_F(BadHint, ABlockThatDoesNotEndInZerosIsNone) {
  disk.set_file64(disk.file64(table) + 65536 - 8, 1);
  disk.open();
  disk.discard(0);
  disk.write(2, disk.pattern(3));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(told.size(), 1u);
  disk.expect_consistent(); // what lies there is left alone, and is a leak
}

TEST_F(BadHint, ATableThatCannotBeReadIsMadeAnew) {
  disk.file->fail_reads_of(table);
  disk.open();
  disk.wait_for_scan();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("the table is lost"), std::string::npos) << told[0];
  disk.write(3, disk.pattern(2));
  EXPECT_EQ(disk.refcount_of(3), 2u); // found by the scan
  EXPECT_TRUE(succeeded(disk.close()));
  disk.file->heal();
  disk.expect_consistent();
}

TEST_F(BadHint, ATableThatOverlapsDataIsMadeAnew) {
  disk.set_file64(table, disk.l2_entry(0) & qcow2::offset_mask);
  disk.record_tables_digest();
  disk.open();
  disk.write(3, disk.pattern(4));
  disk.write(0, disk.pattern(5)); // in place
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

// A pointer that has rotted may name any cluster, and data may end in zeros as hash blocks do.
class RottenPointer : public BadHint, public testing::WithParamInterface<bool> {};

TEST_P(RottenPointer, IntoGuestDataHarmsNoData) {
  const bool zeros = GetParam();
  std::string data;
  for (unsigned i = 0; i < 40; ++i)
    data += disk.pattern(100 + i);
  if (zeros) std::fill_n(data.begin() + 65536 - 64, 64, '\0');
  disk.open();
  disk.write(10, data);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.set_file64(table, disk.l2_entry(10) & qcow2::offset_mask);
  if (!zeros) disk.record_tables_digest(); // as if it had been so at the close
  disk.open();
  disk.write(60, disk.pattern(3) + disk.pattern(101));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(told.size(), 1u);
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2)));
  EXPECT_TRUE(disk.holds(10, data));
  EXPECT_TRUE(disk.holds(60, disk.pattern(3) + disk.pattern(101)));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

INSTANTIATE_TEST_SUITE_P(Data, RottenPointer, testing::Bool(),
                         [](const auto& one) { return one.param ? "EndsInZeros" : "DoesNot"; });

TEST_F(BadHint, WhatCannotBeWrittenIsDropped) {
  disk.file->fail_writes_of(disk.file64(table) + 100);
  disk.open();
  disk.write(2, disk.pattern(3));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(disk.file64(table), 0u);
  disk.file->heal();
  disk.expect_consistent();
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(3)));
}

} // namespace
} // namespace qcow2_dedup
