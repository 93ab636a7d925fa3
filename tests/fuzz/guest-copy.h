// What a guest's disk holds, by someone who remembers it: to be compared with the image.
#ifndef TESTS_FUZZ_GUEST_COPY_H
#define TESTS_FUZZ_GUEST_COPY_H

#include "block/node.h"

#include <optional>
#include <string>

namespace fuzz {

class GuestCopy {
public:
  GuestCopy() = default;
  explicit GuestCopy(std::string content) : content_(std::move(content)) {}

  // Reads the disk's first bytes, at most 512 KiB. Whether all of them could be read.
  bool take(block::Node& node);
  // Ends the process unless the disk begins with these bytes; `what` says what should have been.
  void require_same(block::Node& node, const std::string& what) const;
  // Writes all kinds of contents, mostly such as are stored already, and compares after each. A
  // write that fails for want of space may have changed what it covers, and nothing else.
  void write_and_compare(block::Node& node);
  // Gives contents another owner, then overwrites each former owner, in place where it can be: so
  // what was shared wrongly shows, now or in what was written before.
  void share_and_overwrite(block::Node& node);

private:
  // False when the write failed, and the place is now unknown.
  bool write(block::Node& node, std::size_t offset, const std::string& data);

  std::string content_;
};

} // namespace fuzz

#endif
