// GuestDisk: a qcow2 image in a MemoryFile as its guest uses it, by tagged sectors.
#ifndef TESTS_CRASH_GUEST_DISK_H
#define TESTS_CRASH_GUEST_DISK_H

#include "tests/crash/recovery.h"
#include "tests/crash/tags.h"

#include "block/graph.h"

namespace crash {

using block::Options;
using block::Result;

class GuestDisk {
public:
  // Opens the node that the options describe, for writing.
  Result<void> open(Options options);
  Result<void> open_read_only(Options options);
  // Closes cleanly.
  Result<void> close();
  bool is_open() const { return node_ != nullptr; }

  Result<void> write(std::size_t first, std::span<const Tag> tags);
  Result<void> write_zeroes(std::size_t first, std::size_t sectors, bool unmap);
  Result<void> discard(std::size_t first, std::size_t sectors);
  Result<void> flush() { return node_->co_flush(); }
  Result<void> grow(std::size_t sectors) { return node_->co_truncate(sectors * sector_bytes); }
  Result<void> switch_dedup_off() {
    Options off{{"dedup", "off"}};
    return node_->amend(off);
  }
  Result<std::vector<Tag>> read_all();
  block::Node& node() { return *node_; }

  // Until the index is loaded and the scan idle: what is shared, and so what is written, depends on
  // both, and a test that is to be repeated exactly waits for them.
  Result<void> wait_for_dedup();

private:
  block::Graph graph_;
  std::shared_ptr<block::Node> node_;
  block::Node::Attachment attachment_;
};

// Opens the node to be checked, checks it and closes it. The first lines of its report are added to
// `lines`.
Result<block::CheckReport> check(Options options, Repair repair, std::string& lines,
                                 bool deep = false);

} // namespace crash

#endif
