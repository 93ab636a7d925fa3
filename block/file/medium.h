// MediumReader: reads what a file's medium holds, whatever the page cache shows.
//
// They differ after a write-back that failed: the kernel keeps the lost pages and takes them for
// clean, until it needs their memory.
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
  // Any range and any memory, by O_DIRECT on an open file of its own, made at the first call: the
  // kernel first writes the range's dirty pages, and tells FileSync too if that fails. `file`: a
  // descriptor of the open file, the same at each call. Returns how many bytes there were before
  // the end of the file. Any thread. Errors also: unsupported, where O_DIRECT is refused or reads
  // from the page cache.
  Result<std::uint64_t> read(int file, bool is_device, std::uint64_t offset,
                             const IoVector& vector);

private:
  void open(int file, bool is_device);

  std::once_flag opened_;
  // Constant after that:
  Descriptor descriptor_; // none: the medium cannot be read
  std::uint32_t alignment_ = 1;
};

} // namespace block

#endif
