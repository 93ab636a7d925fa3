// BenchJob: threads that take requests in turn.
#include "block/tools/img/bench-job.h"

#include "block/util/aligned-buffer.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace tools::img {

using block::Result;

Result<void> BenchJob::run() {
  std::vector<std::thread> threads;
  const std::uint64_t wanted = std::min<std::uint64_t>(plan_.depth, plan_.count);
  // Each buffer begins at a page, which O_DIRECT needs.
  constexpr std::uint64_t alignment = block::AlignedBuffer::alignment;
  const std::uint64_t distance = (plan_.request_bytes + alignment - 1) / alignment * alignment;
  const block::HugeMemory memory(wanted * distance);
  try {
    for (std::uint64_t i = 0; i < wanted; ++i)
      threads.emplace_back(
          [&, i] { work(memory.span().subspan(i * distance, plan_.request_bytes)); });
  } catch (const std::system_error& error) {
    std::lock_guard hold(mutex_);
    if (!error_)
      error_ = block::Error::from_errno(error.code().value(), "Could not start a thread");
    changed_.notify_all();
  }
  for (std::thread& thread : threads)
    thread.join();
  if (error_) return std::move(*error_);
  return {};
}

void BenchJob::work(std::span<std::byte> buffer) {
  std::ranges::fill(buffer, plan_.pattern);
  while (std::optional<Turn> turn = take_turn()) {
    Result<void> done = request(turn->offset, buffer);
    if (done && turn->flush_after) done = flush();
    finish(std::move(done));
  }
}

std::optional<BenchJob::Turn> BenchJob::take_turn() {
  std::unique_lock hold(mutex_);
  changed_.wait(hold, [this] { return !flushing_ || error_; });
  if (error_ || sent_ == plan_.count) return std::nullopt;
  Turn turn{next_offset_, false};
  next_offset_ += plan_.step_bytes;
  if (next_offset_ >= plan_.length && plan_.length > 0) next_offset_ %= plan_.length;
  ++sent_;
  ++in_flight_;
  turn.flush_after = plan_.flush_interval > 0 && sent_ % plan_.flush_interval == 0;
  flushing_ = turn.flush_after && plan_.drain;
  return turn;
}

Result<void> BenchJob::request(std::uint64_t offset, std::span<std::byte> buffer) const {
  const block::IoVector vector(buffer.data(), buffer.size());
  return plan_.write ? plan_.node->co_writev(offset, vector) : plan_.node->co_readv(offset, vector);
}

Result<void> BenchJob::flush() {
  if (plan_.drain) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return in_flight_ == 1 || error_; }); // the caller's own is left
    if (error_) return {};
  }
  return plan_.node->co_flush();
}

void BenchJob::finish(Result<void> done) {
  std::lock_guard hold(mutex_);
  --in_flight_;
  if (!done && !error_) error_ = std::move(done).error();
  // While `flushing_` is set, in_flight_ reaches 0 only when the request of the flush ends.
  if (flushing_ && in_flight_ == 0) flushing_ = false;
  changed_.notify_all();
}

} // namespace tools::img
