// CopyJob: workers that take pieces in turn, read them, find zeros and write the remaining data.
#include "block/job/copy-job.h"

#include "block/util/huge-memory.h"
#include "block/util/zero-runs.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

namespace block {

namespace {

// Large enough to make the fixed cost of a request negligible, and small enough for the reading,
// hashing and writing of neighbouring pieces to overlap.
constexpr std::uint64_t piece_bytes = HugeMemory::page_bytes;
// A piece of zeros needs no memory and usually one metadata update, so it may be longer.
constexpr std::uint64_t zero_piece_bytes = 1024 * 1024 * 1024;

// Returns "error while VERB at byte N: REASON". For I/O errors and a full disk, REASON is only the
// text of the errno value.
Error describe(Error error, const char* verb, std::uint64_t offset) {
  std::string phrase = std::string("error while ") + verb + " at byte " + std::to_string(offset);
  if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::no_space)
    return Error::from_errno(error.errno_value(), phrase);
  return std::move(error).context(phrase);
}

} // namespace

CopyJob::CopyJob(std::string id, std::string type, const CopyPlan& plan)
    : Job(std::move(id), std::move(type), CancelEnds::with_work), plan_(plan) {
  set_progress({0, plan_.source->length()});
}

Result<void> CopyJob::run() {
  start();
  std::vector<std::thread> threads;
  try {
    for (unsigned i = 1; i < plan_.workers; ++i)
      threads.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The system allows no more threads. The existing ones do the work.
  }
  work();
  for (std::thread& thread : threads)
    thread.join();
  Result<void> result;
  if (error_)
    result = std::move(*error_);
  else if (status() == JobStatus::aborting)
    result = Error(ErrorKind::io, ECANCELED, "Job '" + id() + "' was cancelled");
  end(result);
  return result;
}

void CopyJob::work() {
  HugeMemory memory(piece_bytes);
  while (may_go_on()) {
    Result<std::optional<Piece>> taken = take_piece();
    if (!taken) return fail(std::move(taken).error());
    if (!*taken) return;
    if (Result<void> done = copy(**taken, memory.span()); !done)
      return fail(std::move(done).error());
  }
}

// Returns the next piece to write, or nothing at the end or after a failure.
Result<std::optional<CopyJob::Piece>> CopyJob::take_piece() {
  using Kind = CopySource::Kind;
  std::lock_guard hold(mutex_);
  const std::uint64_t end = plan_.source->length();
  while (!error_ && next_offset_ < end) {
    if (next_offset_ >= run_end_) {
      Result<CopySource::Run> run = plan_.source->run_at(next_offset_, end - next_offset_);
      if (!run) return describe(std::move(run).error(), "reading block status", next_offset_);
      run_kind_ = run->kind;
      run_end_ = next_offset_ + run->bytes;
    }
    bool zero = run_kind_ == Kind::zero;
    bool skip = run_kind_ == Kind::skip ||
                (zero && plan_.sparse_block != 0 && next_offset_ >= plan_.target_zero_from);
    if (skip) {
      next_offset_ = run_end_;
      continue;
    }
    bool by_zeroing = zero && plan_.sparse_block != 0;
    // Pieces end at multiples of their maximum size, so they stay aligned to clusters.
    std::uint64_t largest = by_zeroing ? zero_piece_bytes : piece_bytes;
    Piece piece;
    piece.offset = next_offset_;
    piece.bytes = std::min(run_end_ - next_offset_, largest - next_offset_ % largest);
    piece.zero = zero;
    piece.ticket = next_ticket_++;
    if (const Clock::duration duration = time_for(piece.bytes);
        duration > Clock::duration::zero()) {
      piece.start = std::max(next_start_, Clock::now());
      next_start_ = piece.start + duration;
    }
    next_offset_ += piece.bytes;
    return std::optional<Piece>(piece);
  }
  return std::optional<Piece>();
}

// Copies nothing if the work has failed meanwhile. A piece that was taken is copied even if the job
// is cancelled, because the turns of the next ones depend on it.
Result<void> CopyJob::copy(const Piece& piece, std::span<std::byte> buffer) {
  rest_until(piece.start);
  if (!piece.zero) {
    Result<void> read = plan_.source->read(piece.offset, buffer.first(piece.bytes));
    if (!read) return describe(std::move(read).error(), "reading", piece.offset);
  }
  if (!wait_for_turn(piece.ticket)) return {};
  if (plan_.order == WriteOrder::overlapping) end_turn();
  BLOCK_TRY(write_piece(piece, buffer));
  if (plan_.order == WriteOrder::serial) end_turn();
  copied(piece);
  return {};
}

Result<void> CopyJob::write_piece(const Piece& piece, std::span<const std::byte> buffer) const {
  if (piece.zero && plan_.sparse_block != 0) return write_zeros(piece.offset, piece.bytes);
  if (piece.zero) {
    const std::vector<std::byte> zeros(piece.bytes);
    return write_data(piece.offset, zeros);
  }
  std::span<const std::byte> rest = buffer.first(piece.bytes);
  if (plan_.sparse_block == 0) return write_data(piece.offset, rest);
  for (std::uint64_t offset = piece.offset; !rest.empty();) {
    UniformRun run = first_run(rest, offset, plan_.sparse_block);
    if (!run.zero)
      BLOCK_TRY(write_data(offset, rest.first(run.bytes)));
    else
      BLOCK_TRY(write_zeros(offset, run.bytes));
    offset += run.bytes;
    rest = rest.subspan(run.bytes);
  }
  return {};
}

Result<void> CopyJob::write_data(std::uint64_t offset, std::span<const std::byte> data) const {
  Result<void> written = plan_.target->co_writev(offset, IoVector(data.data(), data.size()),
                                                 {.fua = plan_.write_through});
  if (!written) return describe(std::move(written).error(), "writing", offset);
  return {};
}

Result<void> CopyJob::write_zeros(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset >= plan_.target_zero_from) return {};
  ZeroFlags flags;
  flags.fua = plan_.write_through;
  flags.may_unmap = true;
  Result<void> written = plan_.target->co_pwrite_zeroes(offset, bytes, flags);
  if (!written) return describe(std::move(written).error(), "writing", offset);
  return {};
}

// Returns false if the work has failed meanwhile.
bool CopyJob::wait_for_turn(std::uint64_t ticket) {
  std::unique_lock hold(mutex_);
  if (plan_.order != WriteOrder::free)
    turn_changed_.wait(hold, [&] { return turn_ == ticket || error_; });
  return !error_;
}

void CopyJob::end_turn() {
  {
    std::lock_guard hold(mutex_);
    ++turn_;
  }
  turn_changed_.notify_all();
}

void CopyJob::copied(const Piece& piece) {
  std::uint64_t copied_to;
  {
    std::lock_guard hold(mutex_);
    copied_to = copied_to_ = std::max(copied_to_, piece.offset + piece.bytes);
  }
  set_progress({copied_to, plan_.source->length()});
}

void CopyJob::fail(Error error) {
  {
    std::lock_guard hold(mutex_);
    if (!error_) error_ = std::move(error);
  }
  turn_changed_.notify_all();
}

} // namespace block
