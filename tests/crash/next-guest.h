// NextGuest: uses a recovered disk so that whatever is wrong with its sharing changes its content.
#ifndef TESTS_CRASH_NEXT_GUEST_H
#define TESTS_CRASH_NEXT_GUEST_H

#include "tests/crash/guest-disk.h"
#include "tests/support/memory-file.h"

#include <random>
#include <span>

namespace crash {

// Of a disk in a memory file that holds `content`.
class NextGuest {
public:
  // `options` open the node; `longest` is the length of a request, in clusters.
  NextGuest(Options options, const block::MemoryFile& file, std::size_t cluster_bytes,
            std::size_t longest, std::vector<Tag> content, std::mt19937_64& random)
      : options_(std::move(options)),
        file_(file),
        per_cluster_(cluster_bytes / sector_bytes),
        longest_(longest),
        content_(std::move(content)),
        random_(random) {}

  // Writes duplicates to a part of the disk, then overwrites each owner of each shared cluster, and
  // compares all content after each round; the disk is closed in between and at the end. Returns
  // what is wrong, or nothing.
  std::string run();

  // Clusters that were shared before their owners were overwritten.
  std::uint64_t shared_clusters() const { return shared_clusters_; }

private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::span<const Tag> cluster(const std::vector<Tag>& content, std::size_t number) const {
    return std::span(content).subspan(number * per_cluster_, per_cluster_);
  }
  void choose_content(std::size_t number, const std::vector<Tag>& old);
  Result<void> share();
  Result<void> overwrite(std::size_t number);
  Result<void> overwrite_all_owners();
  Result<void> compare(const std::string& when);

  const Options options_;
  const block::MemoryFile& file_;
  const std::size_t per_cluster_; // sectors
  const std::size_t longest_;
  std::vector<Tag> content_;
  std::mt19937_64& random_;
  std::uint64_t version_ = 1u << 30; // no workload comes so far
  std::uint64_t shared_clusters_ = 0;
  GuestDisk disk_;
};

} // namespace crash

#endif
