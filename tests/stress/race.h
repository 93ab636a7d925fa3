// A race of writers and readers for the blocks of a storage, and the judgement of what they saw.
#ifndef TESTS_STRESS_RACE_H
#define TESTS_STRESS_RACE_H

#include "tests/stress/history.h"
#include "tests/stress/storage.h"

#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace stress {

constexpr std::size_t block_sectors = 8; // 4 KiB

struct RaceShape {
  // The first half of the blocks is written as whole blocks, and no read may find two writes mixed
  // in one. The other half is written in parts as well, where that holds for each sector.
  std::size_t blocks = 24;
  std::size_t writers = 4;
  std::size_t readers = 4;
  std::size_t operations = 60; // of each thread, in a round
  // A discard need not zero parts of a cluster, so it is used only if a block is whole clusters.
  bool discards = true;
};

// Contents are numbered. Within a round no block gets a content twice, so that a read tells which
// write it saw; but others get the same ones at about the same time, so there is much to share.
class Race {
public:
  Race(Storage& storage, RaceShape shape, std::uint64_t seed);

  // One round; what is wrong, or nothing. Everything is read once more at its end.
  std::string run();

  std::uint64_t reads() const { return reads_; }
  std::uint64_t writes() const { return writes_; }
  // Reads that overlapped a write of one of their sectors: without any, nothing was tried.
  std::uint64_t meetings() const { return meetings_; }

private:
  struct Seen {
    std::size_t sector;
    Operation operation;
  };
  class Runner;

  // A content that the block has not had in this round; 0 = zeros, at most once.
  std::uint64_t choose_content(std::size_t block, std::mt19937_64& random);
  std::string read_initial();
  std::string judge(const std::vector<Runner>& runners);
  std::string mixture_in(std::size_t first, std::span<const Tag> tags) const;

  Storage& storage_;
  const RaceShape shape_;
  std::mt19937_64 random_;
  std::vector<Tag> initial_; // of each sector
  std::uint64_t reads_ = 0, writes_ = 0, meetings_ = 0;

  std::mutex choosing_;                         // guards what follows
  std::vector<std::set<std::uint64_t>> chosen_; // contents of each block in this round
  std::uint64_t choices_ = 0;
};

} // namespace stress

#endif
