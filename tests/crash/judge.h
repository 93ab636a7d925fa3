// Judge: opens what a power cut left and says what is wrong with it.
#ifndef TESTS_CRASH_JUDGE_H
#define TESTS_CRASH_JUDGE_H

#include "tests/crash/workload.h"

namespace crash {

// Each returns what is wrong, or nothing. `seed` decides what is left to chance.
class Judge {
public:
  explicit Judge(const Workload& workload) : workload_(workload) {}

  // Opens the image for writing, which repairs it, compares, closes and checks; then writes
  // everything anew with much content that the image held before, which shows if anything is shared
  // wrongly; compares, closes and checks.
  std::string judge(const Bytes& image, const GuestModel& guest, std::uint64_t seed);

  // Like judge(), but power fails again while the image is being repaired and closed.
  std::string judge_second_cut(const Bytes& image, const GuestModel& guest, std::uint64_t seed);

  // Stock qemu-img repairs the image, and converts it to raw for the comparison; then our driver
  // has to live with what the repair left.
  std::string judge_stock_repair(const Bytes& image, const GuestModel& guest, std::uint64_t seed);

  // What stock qemu-img check says about the image that judge() closed last: nothing but leaks, and
  // no more of them than the dedup table has clusters.
  std::string stock_check();

private:
  std::string open_and_compare(Options options, const GuestModel& guest, GuestDisk& disk,
                               std::vector<Tag>& content);
  std::string check_closed(bool leaks_allowed);
  Result<std::uint64_t> dedup_table_clusters();
  std::string rewrite(std::vector<Tag> content, std::uint64_t seed);

  const Workload& workload_;
  std::shared_ptr<block::MemoryFile> file_;
};

} // namespace crash

#endif
