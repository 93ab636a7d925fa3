// NextGuest: duplicates first, then every owner of what is shared.
#include "tests/crash/next-guest.h"

#include "tests/support/image-walk.h"

#include <algorithm>

namespace crash {

using block::Error;
using block::ErrorKind;

namespace {

// How many of so many owners are overwritten before each comparison. The first two and the last two
// have one each: the cluster changes most with them, and the last owner is written in place.
std::vector<std::size_t> rounds_of(std::size_t owners) {
  std::vector<std::size_t> ends;
  for (std::size_t end : {std::size_t{1}, std::size_t{2}, owners - 2, owners - 1, owners})
    if (end > (ends.empty() ? 0 : ends.back())) ends.push_back(end);
  return ends;
}

} // namespace

// Mostly what a cluster held before or holds now: the table may have an entry of either.
void NextGuest::choose_content(std::size_t number, const std::vector<Tag>& old) {
  const std::vector<Tag>& from = below(2) == 0 ? old : content_;
  const std::span<const Tag> other = cluster(from, below(content_.size() / per_cluster_));
  const std::size_t first = number * per_cluster_;
  const bool is_new = below(5) == 0;
  ++version_;
  for (std::size_t i = 0; i < per_cluster_; ++i)
    // A sector that was not recognised when it was read cannot be made again.
    content_[first + i] = is_new || other[i] == no_tag ? unique_tag(first + i, version_) : other[i];
}

Result<void> NextGuest::share() {
  const std::vector<Tag> old = content_;
  const std::size_t clusters = content_.size() / per_cluster_;
  for (std::size_t first = 0; first < clusters;) {
    const std::size_t count = std::min<std::size_t>(clusters - first, 1 + below(longest_));
    // The others keep their clusters, and COPIED if they have it.
    if (below(5) < 3) {
      for (std::size_t number = first; number < first + count; ++number)
        choose_content(number, old);
      BLOCK_TRY(disk_.write(first * per_cluster_, std::span(content_).subspan(
                                                      first * per_cluster_, count * per_cluster_)));
    }
    if (below(16) == 0) BLOCK_TRY(disk_.flush());
    first += count;
  }
  return {};
}

// The whole cluster, or one sector of it.
Result<void> NextGuest::overwrite(std::size_t number) {
  std::size_t first = number * per_cluster_, count = per_cluster_;
  if (below(4) == 0) {
    first += below(per_cluster_);
    count = 1;
  }
  ++version_;
  for (std::size_t i = first; i < first + count; ++i)
    content_[i] = unique_tag(i, version_);
  return disk_.write(first, std::span(content_).subspan(first, count));
}

Result<void> NextGuest::overwrite_all_owners() {
  std::vector<std::vector<std::uint64_t>> shared =
      block::owners_of_shared_clusters(file_.content());
  std::erase_if(shared, [&](const auto& owners) {
    return owners.back() >= content_.size() / per_cluster_; // beyond the end of the disk
  });
  shared_clusters_ += shared.size();
  std::vector<std::size_t> done(shared.size());
  for (auto& owners : shared)
    std::shuffle(owners.begin(), owners.end(), random_);
  for (std::size_t round = 0, left = shared.size(); left > 0; ++round) {
    left = 0;
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const std::vector<std::size_t> rounds = rounds_of(shared[i].size());
      if (round >= rounds.size()) continue;
      while (done[i] < rounds[round])
        BLOCK_TRY(overwrite(shared[i][done[i]++]));
      left += done[i] < shared[i].size() ? 1 : 0;
    }
    BLOCK_TRY(compare("after round " + std::to_string(round + 1) +
                      " of overwriting the owners of shared clusters"));
    if (below(4) == 0) BLOCK_TRY(disk_.flush());
  }
  return {};
}

Result<void> NextGuest::compare(const std::string& when) {
  BLOCK_TRY_ASSIGN(std::vector<Tag> read, disk_.read_all());
  for (std::size_t i = 0; i < content_.size(); ++i)
    if (read[i] != content_[i])
      return Error(ErrorKind::corrupt, when + " sector " + std::to_string(i) + " reads as " +
                                           describe(read[i]) + ", but it was written as " +
                                           describe(content_[i]));
  return {};
}

std::string NextGuest::run() {
  auto use = [&]() -> Result<void> {
    BLOCK_TRY(disk_.open(options_));
    BLOCK_TRY(share());
    BLOCK_TRY(compare("after duplicates were written"));
    if (below(2) == 0) {
      BLOCK_TRY(disk_.close());
      BLOCK_TRY(disk_.open(options_));
    } else {
      BLOCK_TRY(disk_.flush());
    }
    BLOCK_TRY(overwrite_all_owners());
    BLOCK_TRY(disk_.close());
    BLOCK_TRY(disk_.open_read_only(options_));
    BLOCK_TRY(compare("after the disk was closed"));
    return disk_.close();
  };
  const Result<void> used = use();
  return used ? std::string() : "used again: " + used.error().message();
}

} // namespace crash
