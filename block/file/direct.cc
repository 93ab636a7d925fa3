// The alignment for O_DIRECT, from the best source that the kernel offers.
#include "block/file/direct.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace block {

// statx() reports the alignment since Linux 6.1. A page satisfies every file system.
std::uint32_t direct_alignment(int descriptor, bool is_device) {
#ifdef STATX_DIOALIGN
  struct statx facts;
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0 &&
      facts.stx_mask & STATX_DIOALIGN)
    return std::max(facts.stx_dio_offset_align, facts.stx_dio_mem_align);
#endif
  int sector_bytes = 0;
  if (is_device && ioctl(descriptor, BLKSSZGET, &sector_bytes) == 0 && sector_bytes > 0)
    return static_cast<std::uint32_t>(sector_bytes);
  return 4096;
}

} // namespace block
