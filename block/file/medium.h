// MediumReader: reads what the medium of a file contains, even if the page cache differs from it.
//
// They differ after a failed write-back: the kernel keeps the lost pages and treats them as clean,
// until it needs their memory.
#ifndef BLOCK_FILE_MEDIUM_H
#define BLOCK_FILE_MEDIUM_H

#include "block/io-vector.h"
#include "block/result.h"
#include "block/util/descriptor.h"

#include <cstdint>
#include <mutex>

namespace block {

class MediumReader {
public:
  // Reads any range into any memory. Returns the number of bytes before the end of the file.
  // `file`: a descriptor of the open file, the same at each call. The first call opens the file
  // again with O_DIRECT. A read makes the kernel write the dirty pages of the range first; if that
  // fails, FileSync receives the error too. Any thread. Errors also: unsupported, if O_DIRECT is
  // refused or is served from the page cache.
  Result<std::uint64_t> read(int file, bool is_device, std::uint64_t offset,
                             const IoVector& vector);

private:
  void open(int file, bool is_device);

  std::once_flag opened_;
  // Constant after opened_:
  Descriptor descriptor_; // -1: the medium cannot be read
  std::uint32_t alignment_ = 1;
};

} // namespace block

#endif
