// IoVector: access to a list of segments by byte ranges.
#include "block/io-vector.h"

#include "block/util/zero.h"

#include <algorithm>
#include <cstring>

namespace block {
namespace {

// Calls f(pointer, bytes, position) for each piece of [offset, offset + bytes); position counts
// from offset.
template <typename F>
void for_each_piece(std::span<const iovec> segments, std::uint64_t offset, std::uint64_t bytes,
                    F f) {
  std::uint64_t position = 0;
  for (const iovec& segment : segments) {
    if (position == bytes) break;
    if (offset >= segment.iov_len) {
      offset -= segment.iov_len;
      continue;
    }
    std::uint64_t piece = std::min<std::uint64_t>(segment.iov_len - offset, bytes - position);
    f(static_cast<std::byte*>(segment.iov_base) + offset, piece, position);
    position += piece;
    offset = 0;
  }
}

} // namespace

IoVector::IoVector(const void* data, std::size_t bytes)
    : single_{const_cast<void*>(data), bytes}, size_(bytes) {}

IoVector::IoVector(std::vector<iovec> segments) : many_(std::move(segments)) {
  for (const iovec& segment : many_)
    size_ += segment.iov_len;
}

std::span<const iovec> IoVector::segments() const {
  if (!many_.empty()) return many_;
  return {&single_, size_ > 0 ? 1u : 0u};
}

IoVector IoVector::slice(std::uint64_t offset, std::uint64_t bytes) const {
  if (many_.empty()) return IoVector(static_cast<std::byte*>(single_.iov_base) + offset, bytes);
  std::vector<iovec> pieces;
  for_each_piece(many_, offset, bytes, [&](std::byte* data, std::uint64_t piece, std::uint64_t) {
    pieces.push_back({data, piece});
  });
  return IoVector(std::move(pieces));
}

void IoVector::append(const IoVector& other) {
  if (other.size_ == 0) return;
  if (size_ == 0) {
    *this = other;
    return;
  }
  for (const iovec& segment : other.segments())
    append_segment(segment);
  size_ += other.size_;
}

// Merges the segment with the last one if it follows in memory: few large segments cost the kernel
// less.
void IoVector::append_segment(const iovec& segment) {
  iovec& last = many_.empty() ? single_ : many_.back();
  if (static_cast<std::byte*>(last.iov_base) + last.iov_len == segment.iov_base) {
    last.iov_len += segment.iov_len;
    return;
  }
  if (many_.empty()) many_.push_back(single_);
  many_.push_back(segment);
}

void IoVector::copy_to(std::uint64_t offset, std::span<std::byte> target) const {
  for_each_piece(segments(), offset, target.size(),
                 [&](std::byte* data, std::uint64_t piece, std::uint64_t position) {
                   std::memcpy(target.data() + position, data, piece);
                 });
}

void IoVector::copy_from(std::uint64_t offset, std::span<const std::byte> source) const {
  for_each_piece(segments(), offset, source.size(),
                 [&](std::byte* data, std::uint64_t piece, std::uint64_t position) {
                   std::memcpy(data, source.data() + position, piece);
                 });
}

void IoVector::fill(std::uint64_t offset, std::uint64_t bytes, std::byte value) const {
  for_each_piece(segments(), offset, bytes,
                 [&](std::byte* data, std::uint64_t piece, std::uint64_t) {
                   std::memset(data, static_cast<int>(value), piece);
                 });
}

bool IoVector::is_zero() const {
  return std::ranges::all_of(segments(), [](const iovec& segment) {
    return buffer_is_zero({static_cast<const std::byte*>(segment.iov_base), segment.iov_len});
  });
}

const std::byte* IoVector::contiguous(std::uint64_t offset, std::uint64_t bytes) const {
  for (const iovec& segment : segments()) {
    if (offset < segment.iov_len) {
      if (segment.iov_len - offset < bytes) return nullptr;
      return static_cast<const std::byte*>(segment.iov_base) + offset;
    }
    offset -= segment.iov_len;
  }
  return nullptr;
}

} // namespace block
