// HostFile: reads, writes and barriers on the child node.
#include "block/qcow2/host-file.h"

#include <algorithm>
#include <cstdio>

namespace qcow2 {
namespace {

std::string place(HostOffset offset) {
  char text[48];
  std::snprintf(text, sizeof text, "host offset 0x%llx",
                static_cast<unsigned long long>(offset.value()));
  return text;
}

} // namespace

Result<void> HostFile::read(HostOffset offset, const IoVector& vector) {
  BLOCK_TRY_ASSIGN(std::uint64_t end, file_.co_get_length());
  std::uint64_t available =
      offset.value() < end ? std::min(end - offset.value(), vector.size()) : 0;
  if (available < vector.size()) vector.fill(available, vector.size() - available, std::byte{0});
  if (available == 0) return {};
  Result<void> done = file_.co_readv(
      offset.value(), available == vector.size() ? vector : vector.slice(0, available));
  if (!done) return std::move(done).error().context("read at " + place(offset));
  return {};
}

Result<void> HostFile::write(HostOffset offset, const IoVector& vector) {
  Result<void> done = file_.co_writev(offset.value(), vector);
  // Counted even when it failed: part of it may have reached the file.
  writes_.fetch_add(1);
  if (!done) return std::move(done).error().context("write at " + place(offset));
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

Result<void> HostFile::punch(HostOffset offset, std::uint64_t bytes) {
  return file_.co_pdiscard(offset.value(), bytes);
}

Result<std::uint64_t> HostFile::length() {
  return file_.co_get_length();
}

} // namespace qcow2
