// MediumReader: aligned reads around any range.
#include "block/file/medium.h"

#include "block/file/bounce.h"
#include "block/file/direct.h"
#include "block/file/reopen.h"
#include "block/file/transfer.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace block {
namespace {

// Returns whether the file system keeps its files in the page cache only.
bool page_cache_is_medium(int file) {
  struct statfs facts;
  return fstatfs(file, &facts) == 0 && (facts.f_type == TMPFS_MAGIC || facts.f_type == RAMFS_MAGIC);
}

} // namespace

void MediumReader::open(int file, bool is_device) {
  const bool plain = page_cache_is_medium(file);
  Result<Descriptor> opened = reopen(file, plain ? O_RDONLY : O_RDONLY | O_DIRECT);
  if (!opened) return;
  const std::uint32_t alignment = plain ? 1 : direct_alignment(opened->get(), is_device);
  if (alignment == 0) return;
  descriptor_ = std::move(*opened);
  alignment_ = alignment;
}

Result<std::uint64_t> MediumReader::read(int file, bool is_device, std::uint64_t offset,
                                         const IoVector& vector) {
  std::call_once(opened_, [&] { open(file, is_device); });
  if (descriptor_.get() < 0)
    return Error(ErrorKind::unsupported, "The file system does not tell what is on the medium");
  const std::uint64_t begin = offset / alignment_ * alignment_;
  const std::uint64_t end = (offset + vector.size() + alignment_ - 1) / alignment_ * alignment_;
  BounceBuffer bounce(end - begin);
  for (std::uint64_t at = begin; at < end; at += bounce.size()) {
    const std::uint64_t bytes = std::min<std::uint64_t>(bounce.size(), end - at);
    BLOCK_TRY_ASSIGN(const std::uint64_t got,
                     read_fully(descriptor_.get(), at, IoVector(bounce.data(), bytes)));
    const std::uint64_t from = std::max(at, offset);
    const std::uint64_t to = std::min(at + got, offset + vector.size());
    if (from < to) vector.copy_from(from - offset, bounce.span().subspan(from - at, to - from));
    if (got < bytes) return to > offset ? to - offset : 0;
  }
  return vector.size();
}

} // namespace block
