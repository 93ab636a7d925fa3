// HostFile: reads, writes and barriers on the child node.
#include "block/qcow2/host-file.h"

#include "block/util/aligned-buffer.h"

#include <algorithm>
#include <cstdio>

namespace qcow2 {

using block::Error;
using block::ErrorKind;

namespace {

std::string place(HostOffset offset) {
  char text[48];
  std::snprintf(text, sizeof text, "host offset 0x%llx",
                static_cast<unsigned long long>(offset.value()));
  return text;
}

} // namespace

HostFile::HostFile(block::Node& file)
    : file_(file), end_(0), can_reserve_(file.cache_direct() && !file.read_only()) {
  if (Result<std::uint64_t> length = file.co_get_length()) end_ = *length;
  reserved_end_ = can_reserve_ ? end_.load() : UINT64_MAX;
}

Result<std::uint64_t> HostFile::bytes_within(HostOffset offset, std::uint64_t bytes) const {
  HostOffset file_end = end();
  if (offset >= file_end)
    return Error(ErrorKind::corrupt, place(offset) + " lies beyond the end of the image file");
  return std::min(file_end - offset, bytes);
}

Result<void> HostFile::read(HostOffset offset, const IoVector& vector) {
  BLOCK_TRY_ASSIGN(std::uint64_t within, bytes_within(offset, vector.size()));
  if (within < vector.size()) vector.fill(within, vector.size() - within, std::byte{0});
  IoVector wanted = within == vector.size() ? vector : vector.slice(0, within);
  Result<void> done = file_.co_readv(offset.value(), wanted);
  if (!done) return std::move(done).error().context("read at " + place(offset));
  return restores_lost_writes_ ? write_again_if_lost(offset, wanted) : Result<void>();
}

Result<bool> HostFile::is_on_medium(HostOffset offset, std::span<const std::byte> bytes) {
  BLOCK_TRY_ASSIGN(std::uint64_t within, bytes_within(offset, bytes.size()));
  block::AlignedBuffer held(within);
  Result<void> done = file_.co_read_medium(offset.value(), IoVector(held.data(), held.size()));
  if (!done) return std::move(done).error().context("read at " + place(offset));
  return std::ranges::equal(held.span(), bytes.first(within));
}

Result<void> HostFile::begin_restoring_lost_writes() {
  BLOCK_TRY(barrier());
  restores_lost_writes_ = true;
  return {};
}

void HostFile::end_restoring_lost_writes() {
  restores_lost_writes_ = false;
  restored_windows_.clear();
}

// Works in windows, each once: small tables are neighbours, and a check reads them several times. A
// window that cannot be read from the medium is written again, because anything may be lost there.
Result<void> HostFile::write_again_if_lost(HostOffset offset, const IoVector& vector) {
  constexpr std::uint64_t window_bytes = 64 * 1024;
  HostOffset first(offset.value() / window_bytes * window_bytes);
  for (HostOffset window = first; window < offset + vector.size(); window += window_bytes) {
    if (restored_windows_.contains(window.value())) continue;
    block::AlignedBuffer shown(std::min(window_bytes, end() - window));
    // A neighbouring sector is bad: write again what was read, without a comparison.
    if (!file_.co_readv(window.value(), IoVector(shown.data(), shown.size())))
      return write(offset, vector);
    Result<bool> held = is_on_medium(window, shown.span());
    if (!held || !*held) BLOCK_TRY(write(window, shown.span()));
    restored_windows_.insert(window.value());
  }
  return {};
}

// No write goes beyond reserved_end_ while this function may still reserve. So neither a
// reservation nor the end of a failed one cuts a longer file.
void HostFile::reserve(std::uint64_t end) {
  constexpr std::uint64_t least = 1u << 20, most = 64u << 20;
  block::MutexGuard hold(reserve_mutex_);
  if (!can_reserve_ || end <= reserved_end_.load()) return;
  std::uint64_t wanted = end + std::clamp(end / 4, least, most);
  wanted -= wanted % least;
  can_reserve_ = file_.co_truncate(wanted, block::Preallocation::falloc).ok();
  // If space cannot be reserved, writes allocate it themselves, or fail.
  reserved_end_ = can_reserve_ ? wanted : UINT64_MAX;
}

Result<void> HostFile::release_reserved() {
  block::MutexGuard hold(reserve_mutex_);
  if (!can_reserve_ || reserved_end_.load() <= end().value()) return {};
  BLOCK_TRY(file_.co_truncate(end().value(), block::Preallocation::off));
  reserved_end_ = end().value();
  return {};
}

Result<void> HostFile::write(HostOffset offset, const IoVector& vector) {
  if (offset.value() + vector.size() > reserved_end_.load(std::memory_order_relaxed))
    reserve(offset.value() + vector.size());
  Result<void> done = file_.co_writev(offset.value(), vector);
  // Counted even if it failed: part of it may have reached the file.
  writes_.fetch_add(1);
  if (!done) return std::move(done).error().context("write at " + place(offset));
  std::uint64_t written_end = offset.value() + vector.size();
  std::uint64_t known_end = end_.load();
  while (known_end < written_end && !end_.compare_exchange_weak(known_end, written_end)) {
  }
  return {};
}

Result<void> HostFile::barrier() {
  std::uint64_t writes = writes_.load();
  if (durable_writes_.load() >= writes) return {};
  BLOCK_TRY(file_.co_flush());
  std::uint64_t durable = durable_writes_.load();
  while (durable < writes && !durable_writes_.compare_exchange_weak(durable, writes)) {
  }
  return {};
}

Result<void> HostFile::extend(HostOffset end) {
  if (end <= this->end()) return {};
  BLOCK_TRY(file_.co_truncate(end.value()));
  writes_.fetch_add(1);
  end_ = end.value();
  block::MutexGuard hold(reserve_mutex_);
  if (can_reserve_) reserved_end_ = std::max(reserved_end_.load(), end.value());
  return barrier();
}

bool HostFile::flushes_nothing() const {
  for (const block::Node* node = &file_; node; node = node->file())
    if (node->cache_no_flush()) return true;
  return false;
}

// The file system frees only whole blocks; for a part of a block it would have to write zeros.
Result<void> HostFile::punch(HostOffset offset, std::uint64_t bytes) {
  const std::uint64_t alignment = file_.limits().opt_transfer;
  const std::uint64_t first = (offset.value() + alignment - 1) / alignment * alignment;
  const std::uint64_t last = std::min(offset + bytes, end()).value() / alignment * alignment;
  if (first >= last) return {};
  return file_.co_pdiscard(first, last - first);
}

Result<void> HostFile::cut(HostOffset end) {
  BLOCK_TRY(file_.co_truncate(end.value(), block::Preallocation::off));
  end_ = end.value();
  return {};
}

} // namespace qcow2
