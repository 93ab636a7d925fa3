// CopySource: what a CopyJob copies.
#ifndef BLOCK_JOB_COPY_SOURCE_H
#define BLOCK_JOB_COPY_SOURCE_H

#include "block/result.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace block {

// The length must not change while a job copies.
class CopySource {
public:
  virtual ~CopySource() = default;

  enum class Kind {
    data, // must be read
    zero, // reads as zeros
    skip, // is not copied: the target has the content already
  };
  struct Run {
    Kind kind = Kind::zero;
    std::uint64_t bytes = 0;
  };

  // Bytes.
  virtual std::uint64_t length() const = 0;
  // Returns the run at `offset`, which is less than length(). The run has at least 1 byte and at
  // most `bytes`. Any thread.
  virtual Result<Run> run_at(std::uint64_t offset, std::uint64_t bytes) const = 0;
  // Reads a range that lies within one run of data. Any thread.
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> data) const = 0;
};

} // namespace block

#endif
