// ConvertJob: workers that take pieces in turn, read them, find zeros and write the remaining data.
#include "block/tools/img/convert-job.h"

#include "block/tools/common/program.h"
#include "block/tools/img/zero-runs.h"
#include "block/util/sector.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace tools::img {

using block::Error;
using block::ErrorKind;
using block::Result;

namespace {

// Large enough to make the fixed cost of a request negligible, and small enough for the reading,
// hashing and writing of neighbouring pieces to overlap.
constexpr std::uint64_t piece_bytes = block::HugeMemory::page_bytes;
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

Result<void> ConvertJob::run() {
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
  if (error_) return std::move(*error_);
  return {};
}

void ConvertJob::work() {
  block::HugeMemory memory(piece_bytes);
  const std::span<std::byte> buffer = memory.span();
  for (;;) {
    Result<std::optional<Piece>> taken = take_piece();
    if (!taken) return fail(std::move(taken).error());
    if (!*taken) return;
    const Piece piece = **taken;
    throttle(piece.bytes);
    if (!piece.zero)
      if (Result<void> read = read_piece(piece, buffer); !read)
        return fail(std::move(read).error());
    if (!wait_for_turn(piece.ticket)) return;
    if (plan_.order == WriteOrder::overlapping) end_turn();
    if (Result<void> written = write_piece(piece, buffer); !written)
      return fail(std::move(written).error());
    if (plan_.order == WriteOrder::serial) end_turn();
    progress_.update(piece.offset + piece.bytes, plan_.source->length());
  }
}

// Returns the next piece to write, or nothing at the end or after a failure.
Result<std::optional<ConvertJob::Piece>> ConvertJob::take_piece() {
  using Kind = ConvertSource::Kind;
  std::lock_guard hold(mutex_);
  const std::uint64_t end = plan_.source->length();
  while (!error_ && next_offset_ < end) {
    if (next_offset_ >= run_end_) {
      Result<ConvertSource::Run> run = plan_.source->run_at(next_offset_, end - next_offset_);
      if (!run) {
        if (!plan_.salvage)
          return describe(std::move(run).error(), "reading block status", next_offset_);
        run = ConvertSource::Run{Kind::data, std::min(piece_bytes, end - next_offset_)};
      }
      run_kind_ = run->kind;
      run_end_ = next_offset_ + run->bytes;
    }
    bool zero = run_kind_ == Kind::zero;
    bool skip = run_kind_ == Kind::backing ||
                (zero && plan_.sparse_block != 0 && next_offset_ >= plan_.target_zero_from);
    if (skip) {
      next_offset_ = run_end_;
      continue;
    }
    bool by_zeroing = zero && plan_.sparse_block != 0;
    // Pieces end at multiples of their maximum size, so they stay aligned to clusters.
    std::uint64_t largest = by_zeroing ? zero_piece_bytes : piece_bytes;
    Piece piece{next_offset_, std::min(run_end_ - next_offset_, largest - next_offset_ % largest),
                zero, next_ticket_++};
    next_offset_ += piece.bytes;
    return std::optional<Piece>(piece);
  }
  return std::optional<Piece>();
}

Result<void> ConvertJob::read_piece(const Piece& piece, std::span<std::byte> buffer) const {
  Result<void> read = plan_.source->read(piece.offset, buffer.first(piece.bytes));
  if (read) return read;
  if (!plan_.salvage) return describe(std::move(read).error(), "reading", piece.offset);
  // Reads sector by sector, so that every readable sector is kept.
  using block::sector_bytes;
  for (std::uint64_t done = 0; done < piece.bytes; done += sector_bytes) {
    std::span<std::byte> part = buffer.subspan(done, std::min(sector_bytes, piece.bytes - done));
    Result<void> part_read = plan_.source->read(piece.offset + done, part);
    if (part_read) continue;
    report_warning("error while reading offset " + std::to_string(piece.offset + done) + ": " +
                   std::strerror(part_read.error().errno_value()));
    std::ranges::fill(part, std::byte{0});
  }
  return {};
}

Result<void> ConvertJob::write_piece(const Piece& piece, std::span<const std::byte> buffer) const {
  if (piece.zero && plan_.sparse_block != 0) return write_zeros(piece.offset, piece.bytes);
  if (piece.zero) {
    const std::vector<std::byte> zeros(piece.bytes);
    return write_data(piece.offset, zeros);
  }
  std::span<const std::byte> rest = buffer.first(piece.bytes);
  if (plan_.sparse_block == 0) return write_data(piece.offset, rest);
  for (std::uint64_t offset = piece.offset; !rest.empty();) {
    Run run = first_run(rest, offset, plan_.sparse_block);
    if (!run.zero)
      BLOCK_TRY(write_data(offset, rest.first(run.bytes)));
    else
      BLOCK_TRY(write_zeros(offset, run.bytes));
    offset += run.bytes;
    rest = rest.subspan(run.bytes);
  }
  return {};
}

Result<void> ConvertJob::write_data(std::uint64_t offset, std::span<const std::byte> data) const {
  Result<void> written = plan_.target->co_writev(offset, block::IoVector(data.data(), data.size()),
                                                 {.fua = plan_.write_through});
  if (!written) return describe(std::move(written).error(), "writing", offset);
  return {};
}

Result<void> ConvertJob::write_zeros(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset >= plan_.target_zero_from) return {};
  block::ZeroFlags flags;
  flags.fua = plan_.write_through;
  flags.may_unmap = true;
  Result<void> written = plan_.target->co_pwrite_zeroes(offset, bytes, flags);
  if (!written) return describe(std::move(written).error(), "writing", offset);
  return {};
}

// Returns false if the work has failed meanwhile.
bool ConvertJob::wait_for_turn(std::uint64_t ticket) {
  std::unique_lock hold(mutex_);
  if (plan_.order != WriteOrder::free)
    turn_changed_.wait(hold, [&] { return turn_ == ticket || error_; });
  return !error_;
}

void ConvertJob::end_turn() {
  {
    std::lock_guard hold(mutex_);
    ++turn_;
  }
  turn_changed_.notify_all();
}

void ConvertJob::throttle(std::uint64_t bytes) {
  if (plan_.rate == 0) return;
  std::chrono::steady_clock::time_point start;
  {
    std::lock_guard hold(mutex_);
    start = std::max(next_start_, std::chrono::steady_clock::now());
    next_start_ = start + std::chrono::nanoseconds(static_cast<std::int64_t>(
                              1e9 * static_cast<double>(bytes) / static_cast<double>(plan_.rate)));
  }
  std::this_thread::sleep_until(start);
}

void ConvertJob::fail(Error error) {
  {
    std::lock_guard hold(mutex_);
    if (!error_) error_ = std::move(error);
  }
  turn_changed_.notify_all();
}

} // namespace tools::img
