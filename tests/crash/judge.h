// Judge: recovers what a power cut left, uses it, and says what is wrong with it.
#ifndef TESTS_CRASH_JUDGE_H
#define TESTS_CRASH_JUDGE_H

#include "tests/crash/recovery.h"
#include "tests/crash/workload.h"

namespace crash {

class Judge {
public:
  // What a dedup table that is called current may be. A wrong one is found by our check, which has
  // to be able to repair it in the end; a treacherous one has entries of former contents, too: then
  // the image is only read.
  enum class Table { right, wrong, treacherous };

  explicit Judge(const Workload& workload, Table table = Table::right)
      : workload_(workload), table_(table) {}

  // Recovers the image, opens it for writing, compares, closes and checks it. Then uses it: writes
  // duplicates, which the driver shares, and overwrites each owner of each shared cluster, one
  // after the other. All content is compared after each of these rounds, and read from the closed
  // image again; and that image is checked. Returns what is wrong, or nothing. `seed` decides what
  // is left to chance.
  std::string judge(const Bytes& image, const GuestModel& guest, const Recovery& recovery,
                    std::uint64_t seed);

  // What stock qemu-img check says about the image that judge() closed last: nothing but leaks, and
  // no more of them than the dedup table has clusters. Returns what is wrong, or nothing.
  std::string stock_check();

  // Shared clusters, in all images judged, whose owners were all overwritten.
  std::uint64_t shared_clusters() const { return shared_clusters_; }

private:
  std::string interrupt(const GuestModel& guest, Recovery& recovery, std::mt19937_64& random);
  std::string recover(const GuestModel& guest, const Recovery& recovery, const Options& options);
  std::string recover_by_check(Repair repair, Options options);
  std::string recover_by_stock(Repair repair, const GuestModel& guest);
  std::string open_and_compare(const GuestModel& guest, Options options);
  std::string use(std::mt19937_64& random);
  std::string check_closed();
  Result<std::uint64_t> dedup_table_clusters();

  const Workload& workload_;
  const Table table_;
  std::shared_ptr<block::MemoryFile> file_;
  std::vector<Tag> content_; // of the disk, when it was opened last
  std::uint64_t shared_clusters_ = 0;
};

} // namespace crash

#endif
