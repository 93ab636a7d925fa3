// The memory of one request: a list of segments that belong to the caller.
#ifndef BLOCK_IO_VECTOR_H
#define BLOCK_IO_VECTOR_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace block {

// Refers to memory and never owns it. Cheap to copy with one segment, which is the common case.
class IoVector {
public:
  IoVector() = default;
  // A write only reads from the memory, so a const buffer is allowed for a write. A read needs a
  // mutable buffer.
  IoVector(const void* data, std::size_t bytes);
  explicit IoVector(std::vector<iovec> segments);

  // Bytes in all segments.
  std::uint64_t size() const { return size_; }
  std::span<const iovec> segments() const;

  // The bytes [offset, offset + bytes); both must lie within size().
  IoVector slice(std::uint64_t offset, std::uint64_t bytes) const;
  // Appends the other vector's segments. A segment that follows the last one in memory is merged
  // with it.
  void append(const IoVector& other);

  // Copy between the vector, from byte `offset` on, and plain memory. The range must lie within
  // size().
  void copy_to(std::uint64_t offset, std::span<std::byte> target) const;
  void copy_from(std::uint64_t offset, std::span<const std::byte> source) const;
  void fill(std::uint64_t offset, std::uint64_t bytes, std::byte value) const;
  // Returns whether every byte is zero; true for an empty vector.
  bool is_zero() const;

  // Returns the range as one piece of memory if it lies within one segment, otherwise null.
  const std::byte* contiguous(std::uint64_t offset, std::uint64_t bytes) const;

private:
  void append_segment(const iovec& segment);

  iovec single_{nullptr, 0};
  std::vector<iovec> many_; // empty if single_ holds everything
  std::uint64_t size_ = 0;
};

} // namespace block

#endif
