// Node::Inner: what the node layer keeps of a node and does with it. Modules see only Node.
//
// Every node is an Inner, so the way from its Node to its Inner costs nothing. Its functions are
// hidden from modules, which also lets the compiler call and inline them directly.
#ifndef BLOCK_NODE_INNER_H
#define BLOCK_NODE_INNER_H

#include "block/node/driver-answer.h"
#include "block/node/users.h"
#include "block/range-lock.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace block {

class __attribute__((visibility("hidden"))) Node::Inner final : public Node {
public:
  Inner(Graph& graph, const BlockDriver& driver, std::string name);

  static Inner& of(Node& node) { return static_cast<Inner&>(node); }
  static const Inner& of(const Node& node) { return static_cast<const Inner&>(node); }

private:
  friend class Node;
  friend class Graph;
  friend class Opening;

  using ReadEntry = Result<void> (*)(Node& node, std::uint64_t offset, const IoVector& vector);

  // Calls an entry of the driver. `name`: its name.
  template <typename Entry, typename... Arguments>
  auto call(const char* name, Entry entry, Arguments&&... arguments) {
    auto result = entry(*this, std::forward<Arguments>(arguments)...);
    if constexpr (driver_answers_are_checked)
      if (!result) expect_no_fault(fault_of(result.error()), name, *this);
    return result;
  }
  // The same for entries whose error may show that the image is corrupt.
  template <typename Entry, typename... Arguments>
  auto call_request(const char* name, Entry entry, Arguments&&... arguments) {
    auto result = call(name, entry, std::forward<Arguments>(arguments)...);
    if (!result) note_error(result.error());
    return result;
  }

  // `name`, `entry`: the driver's entry for reads of that kind.
  struct Read {
    const char* name;
    ReadEntry entry;
  };
  Result<void> counted_read(Read kind, std::uint64_t offset, const IoVector& vector);
  // These check and serve one request, but do not count it.
  Result<void> read(Read kind, std::uint64_t offset, const IoVector& vector);
  Result<void> write(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags);
  Result<void> flush();
  Result<void> discard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> truncate(std::uint64_t length, Preallocation preallocation);

  Result<void> check_open() const {
    return closed_.load(std::memory_order_relaxed) ? closed() : Result<void>();
  }
  // Also refuses a node that was opened only for check.
  Result<void> check_serving() const { return for_check_ ? only_checked() : check_open(); }
  Result<void> check_writable() const { return read_only_ ? not_writable() : Result<void>(); }
  Result<void> closed() const;
  Result<void> only_checked() const;
  Result<void> not_writable() const;
  // Refuses a node that was not opened for check.
  Result<void> check_unused() const;
  Result<void> check_range(std::uint64_t offset, std::uint64_t bytes, const char* verb);
  Result<void> check_write(std::uint64_t offset, std::uint64_t bytes, const char* verb);
  bool aligned(std::uint64_t offset, std::uint64_t bytes) const {
    return ((offset | bytes) & (limits_.request_alignment - 1)) == 0;
  }
  bool wants_zero_detection(const IoVector& vector) const;

  // The driver's present length, validated. co_get_length() returns the length that requests may
  // use.
  Result<std::uint64_t> length_of_driver();
  void raise_length(std::uint64_t length);

  Result<BlockStatus> driver_block_status(std::uint64_t offset, std::uint64_t bytes);
  enum class BackingFiles { followed, left_out };
  Result<ChainStatus> find_status(std::uint64_t offset, std::uint64_t bytes, BackingFiles backing);

  // Requests of any size and alignment, in pieces that the driver accepts.
  Result<void> read_unaligned(Read kind, std::uint64_t offset, const IoVector& vector);
  Result<void> read_pieces(Read kind, std::uint64_t offset, const IoVector& vector);
  Result<void> write_unaligned(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  Result<void> write_pieces(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  // A piece that the driver accepts as it is.
  Result<void> write_piece(std::uint64_t offset, const IoVector& vector, WriteFlags flags) {
    Result<void> written = call_request("co_writev", driver_->co_writev, offset, vector, flags);
    if (written && limits_.grows_on_write) raise_length(offset + vector.size());
    return written;
  }
  Result<void> read_edge(std::uint64_t block, std::span<std::byte> memory);
  Result<void> write_zeroes_aligned(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags);
  Result<void> write_zero_bytes(std::uint64_t offset, std::uint64_t bytes);
  bool touches_guarded_head(std::uint64_t offset) const;
  Result<void> write_guarded_head(std::uint64_t offset, const IoVector& vector, WriteFlags flags);

  // Calls an entry of DedupOperations under control_mutex_.
  template <typename T, typename... Parameters, typename... Arguments>
  Result<T> control_dedup(const char* name,
                          Result<T> (*DedupOperations::*entry)(Node&, Parameters...),
                          Arguments&&... arguments) {
    std::lock_guard hold(control_mutex_);
    BLOCK_TRY(check_open());
    if (!driver_->dedup) return not_deduplicated(*this);
    return call(name, driver_->dedup->*entry, std::forward<Arguments>(arguments)...);
  }
  // The first node that has breakpoints, from this one down along "file".
  Result<Inner*> debugger();

  // Calls the driver's close. The children must be open still.
  Result<void> close_driver();

  Graph& graph_;
  const std::string name_;
  std::string filename_;
  bool auto_read_only_ = false;
  bool force_share_ = false;
  bool for_check_ = false;
  bool follow_image_backing_ = true;
  bool cache_direct_ = false;
  bool cache_no_flush_ = false;
  bool discard_ = true; // see unmaps()
  bool probed_as_raw_ = false;
  DetectZeroes detect_zeroes_ = DetectZeroes::unset;
  // The length that the driver last returned, raised by writes that make the node grow. Saves a
  // call of the driver for each request.
  std::atomic<std::uint64_t> length_{0};
  std::atomic<bool> closed_{false};
  // Serialises writes while one of them does read-modify-write. None if every request is aligned
  // (request_alignment 1), so that common requests take no lock.
  std::optional<RangeLock> write_ranges_;
  std::map<std::string, Child> further_children_; // constant once the node is open
  Opening* opening_ = nullptr;  // what the children need during open; null afterwards
  alignas(64) NodeStats stats_; // on its own cache line: every request writes here, and the members
                                // above are only read

  Users users_{name_};
  // Calls other than requests run one at a time, and never after close.
  std::mutex control_mutex_;
  std::mutex truncate_mutex_;
  std::mutex guarded_head_mutex_;
};

} // namespace block

#endif
