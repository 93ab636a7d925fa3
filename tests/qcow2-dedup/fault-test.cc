// Every operation on the file fails once, each in a run of its own: the caller hears of it, the
// image stays consistent, and the next request works.
#include "tests/support/qcow2-disk.h"

#include <algorithm>
#include <iostream>
#include <map>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::MemoryOperation;
using block::Options;
using block::Qcow2Disk;
using block::Result;

// Tiny clusters and wide refcounts, nearly at the end of what the refcount table counts: the
// requests make every table grow.
DiskShape tiny(bool dedup) {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.refcount_bits = 64;
  shape.guest_clusters = 4800;
  shape.dedup = dedup;
  return shape;
}

std::vector<std::byte> nearly_full_image(bool dedup) {
  Qcow2Disk disk(tiny(dedup));
  for (std::uint64_t guest = 0; guest < 3600; guest += 100)
    disk.write(guest, block::pattern(100 * disk.cluster_bytes(), 1000 + unsigned(guest)));
  EXPECT_TRUE(succeeded(disk.close()));
  return disk.file->content();
}

// Requests, and what the disk must hold after those that succeeded.
class Script {
public:
  explicit Script(Qcow2Disk& disk) : disk_(disk) {}

  void run() {
    write(4000, pieces(1, 40));
    write(4100, pieces(20, 40)); // half of it known
    note(disk_.node().co_flush());
    write(4000, pieces(300, 8)); // in place, or of shared clusters
    write(4010, block::zeros(5 * bytes()));
    write(4200, pieces(400, 200));
    discard(4200, 50);
    write(4600, pieces(420, 20));
    note(disk_.node().co_flush());
    write(4300, pieces(700, 300)); // the refcount table moves
    write(4199, pieces(5, 3));
    note(disk_.node().co_truncate(6000 * bytes())); // the L1 table moves
    write(4650, pieces(1500, 60));
    discard(4000, 20);
    note(disk_.node().co_flush());
    write(4000, pieces(1600, 64));
  }

  std::size_t errors() const { return errors_; }
  void expect_content() {
    for (const auto& [guest, content] : known_)
      ASSERT_TRUE(disk_.holds(guest, content));
  }

private:
  std::size_t bytes() const { return disk_.cluster_bytes(); }
  std::string pieces(unsigned first, unsigned count) const {
    std::string data;
    for (unsigned i = 0; i < count; ++i)
      data += disk_.pattern(first + i);
    return data;
  }
  bool note(const Result<void>& done) {
    if (!done) ++errors_;
    return done.ok();
  }
  void write(std::uint64_t guest, const std::string& data) {
    bool done = note(disk_.try_write(guest, data));
    for (std::uint64_t i = 0; i < data.size() / bytes(); ++i)
      if (done)
        known_[guest + i] = data.substr(i * bytes(), bytes());
      else
        known_.erase(guest + i);
  }
  void discard(std::uint64_t guest, std::uint64_t clusters) {
    bool done = note(disk_.node().co_pdiscard(guest * bytes(), clusters * bytes()));
    for (std::uint64_t i = 0; i < clusters; ++i)
      if (done)
        known_[guest + i] = disk_.zeros();
      else
        known_.erase(guest + i);
  }

  Qcow2Disk& disk_;
  std::map<std::uint64_t, std::string> known_;
  std::size_t errors_ = 0;
};

using Kind = std::tuple<bool, MemoryOperation>;

class EveryFault : public testing::TestWithParam<Kind> {
protected:
  bool dedup() const { return std::get<0>(GetParam()); }
  MemoryOperation operation() const { return std::get<1>(GetParam()); }
  // There are many reads, and most are of the same kind.
  std::uint64_t stride() const { return operation() == MemoryOperation::read ? 5 : 1; }

  // One run for each operation of the script that can fail, and one in which none does:
  // judge(disk, script, nth, whether it failed) decides what must be true then.
  template <typename Judge>
  void for_each_fault(Judge judge) {
    const std::vector<std::byte> image = nearly_full_image(dedup());
    bool reached = true;
    std::uint64_t last = 0;
    for (std::uint64_t nth = 1; reached && !HasFailure(); nth += stride()) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " fails");
      Qcow2Disk disk(tiny(dedup()), image);
      disk.open({{"l2-cache-size", "4k"}, {"refcount-cache-size", "4k"}});
      if (dedup()) disk.wait_for_index();
      std::uint64_t before = disk.file->count(operation());
      disk.file->fail(operation(), nth, EIO);
      Script script(disk);
      script.run();
      reached = disk.file->count(operation()) >= before + nth;
      last = nth;
      tried += reached;
      disk.file->heal();
      judge(disk, script, nth, reached);
    }
    EXPECT_GT(last, 10u); // there were such operations
  }

  static std::uint64_t tried;
  static void TearDownTestSuite() { std::cout << "faults tried: " << tried << std::endl; }

  const std::string head = block::pattern(3600 / 36 * 512, 1000); // of the image
};

std::uint64_t EveryFault::tried = 0;

TEST_P(EveryFault, IsReportedAndLeavesAConsistentImageThatGoesOn) {
  for_each_fault([&](Qcow2Disk& disk, Script& script, std::uint64_t, bool reached) {
    script.expect_content();
    EXPECT_TRUE(disk.holds(0, head));
    // A hint that cannot be read is no error. A write of hash blocks that fails is made again, each
    // block by itself.
    if (reached && operation() == MemoryOperation::write && script.errors() == 0) {
      EXPECT_TRUE(disk.file->failed_writes_were_repeated()) << "nobody heard of the fault";
    }
    EXPECT_LE(script.errors(), reached ? 100u : 0u);
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_consistent();
    ASSERT_NO_FATAL_FAILURE(disk.open());
    script.expect_content();
    EXPECT_TRUE(disk.holds(0, head));
  });
}

TEST_P(EveryFault, LosesNothingWithTheProgramOrThePowerGoneRightAfter) {
  for_each_fault([&](Qcow2Disk& disk, Script& script, std::uint64_t nth, bool) {
    bool kill = nth % 2 == 0;
    if (!kill) disk.flush();
    if (kill)
      disk.kill();
    else
      disk.cut_power();
    ASSERT_NO_FATAL_FAILURE(disk.open());
    if (!kill) script.expect_content();
    EXPECT_TRUE(disk.holds(0, head));
    disk.write(4700, disk.pattern(1) + disk.pattern(9999));
    EXPECT_TRUE(disk.holds(4700, disk.pattern(1) + disk.pattern(9999)));
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_consistent();
  });
}

std::string name_of(const testing::TestParamInfo<Kind>& kind) {
  static const char* const operations[] = {"Read", "Write", "Flush"};
  return std::string(std::get<0>(kind.param) ? "Dedup" : "Plain") +
         operations[static_cast<int>(std::get<1>(kind.param))];
}

INSTANTIATE_TEST_SUITE_P(Qcow2, EveryFault,
                         testing::Combine(testing::Bool(), testing::Values(MemoryOperation::read,
                                                                           MemoryOperation::write,
                                                                           MemoryOperation::flush)),
                         name_of);

} // namespace
} // namespace qcow2_dedup
