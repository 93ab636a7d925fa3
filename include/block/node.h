// Node: one open image, file or filter in the block graph, and the entry of every request to it.
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/driver.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace block {

class Graph;
class Node;
class RangeLock;

// unset: the user has not said; the driver may choose, the node layer takes it for off.
enum class DetectZeroes { unset, off, on, unmap };

// Requests and bytes since open; errors count in neither.
struct NodeStats {
  std::atomic<std::uint64_t> read_operations{0}, read_bytes{0};
  std::atomic<std::uint64_t> write_operations{0}, written_bytes{0};
  std::atomic<std::uint64_t> flush_operations{0};
  std::atomic<std::uint64_t> discard_operations{0}, discarded_bytes{0};
  std::atomic<std::uint64_t> zero_operations{0}, zeroed_bytes{0};
  std::atomic<std::uint64_t> failed_operations{0};
};

// What a driver or the graph tells on its own account, not as the answer to a call.
enum class NodeEvent {
  closed,          // the last event of a node; its name may be given to another node next
  dedup_changed,   // query_dedup() now gives another status, or another state of the scan
  image_corrupted, // the image was found to be corrupt; it takes no more writes
  warning,         // the user has to know something that is no error of any request
};

// What a user of a node does with it, and what it lets others do meanwhile.
struct Access {
  bool write = false;
  bool allow_other_writers = false;
};

// What lies at a place of a node, looked up along its chain of backing files.
struct ChainStatus {
  // The answer of the layer that supplies the content. What no layer has allocated reads as zeros.
  BlockStatus status;
  unsigned depth = 0; // backing files on the way down; filters and raw windows do not count
  // The node that supplies it, or the last one asked. status.host_offset is an offset of its child
  // "file", or of itself if it has none.
  Node* layer = nullptr;
};

// Made by Graph::open, owned by shared_ptr: a user that holds one keeps the memory, Graph::close
// ends the use.
//
// All request functions may be called on any thread, several at a time. They check bounds and
// permission, split at limits().max_transfer, align by reading and joining where the driver needs
// alignment, emulate what the driver lacks, call the driver, and count. Errors are those of the
// driver, or: invalid_argument with EIO (beyond the end), permission (node is read-only), not_found
// (the node has been closed).
//
// Requests are made by those who hold an Attachment, and are over before it ends.
class Node {
public:
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const { return name_; }
  const BlockDriver& driver() const { return *driver_; }
  bool read_only() const { return read_only_; }
  DetectZeroes detect_zeroes() const { return detect_zeroes_; }
  // discard=unmap: discards and may_unmap reach the driver, and space that it frees goes back.
  bool unmaps() const { return discard_; }
  // Whether the host's page cache is bypassed, and whether flushes are left out (unsafe, fast). A
  // protocol driver obeys the first; the node layer sees to the second.
  bool cache_direct() const { return cache_direct_; }
  bool cache_no_flush() const { return cache_no_flush_; }
  // The file name for people and for locks: of the protocol node below. May be empty.
  const std::string& filename() const { return filename_; }

  // Children, null if absent. Owned by the graph; they outlive this node's use.
  Node* file() const { return file_.attachment.node(); }
  Node* backing() const { return backing_.attachment.node(); }
  // One of another name that open_child() was given.
  Node* child(const std::string& name) const;
  // All of them, in no order.
  std::vector<Node*> children() const;

  // --- Requests. Offsets and lengths are bytes. ---
  Result<std::uint64_t> co_get_length();
  Result<void> co_readv(std::uint64_t offset, const IoVector& vector);
  // What the medium holds; see BlockDriver. Errors also: unsupported.
  Result<void> co_read_medium(std::uint64_t offset, const IoVector& vector);
  Result<void> co_writev(std::uint64_t offset, const IoVector& vector, WriteFlags flags = {});
  Result<void> co_flush();
  Result<void> co_pwrite_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags = {});
  Result<void> co_pdiscard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> co_truncate(std::uint64_t length, Preallocation preallocation = Preallocation::off);
  // The first run of the range: its status.bytes is never 0. What lies beyond the end of a short
  // backing file reads as zeros, and is found at the layer above that file.
  Result<ChainStatus> co_chain_status(std::uint64_t offset, std::uint64_t bytes);
  // The same without the backing files: a run that is not allocated and not zero comes from them.
  Result<BlockStatus> co_block_status(std::uint64_t offset, std::uint64_t bytes);

  // Whether the node reads as zeros if create_image() has just made it, as far as no backing file
  // supplies it.
  bool reads_as_zeros_when_new();
  // Ends cache.no-flush for this node and its own children but the backing file: from the next one
  // on, flushes reach the disk. Not while a request is in flight.
  void resume_flushes();

  Result<DriverInfo> get_info();
  Result<CheckReport> check(const CheckRequest& request);
  // Errors also: unsupported, permission (read-only).
  Result<std::uint64_t> trim(const Progress& progress);
  Result<void> pause_dedup();
  Result<void> resume_dedup(const ResumeDedup& how = {});
  Result<DedupInfo> query_dedup();
  Result<void> control_dedup_scan(DedupScanControl control);
  // Takes its options out of `options`. Errors also: unsupported, permission (read-only).
  Result<void> amend(Options& options);

  // --- Events and break points, for tests; see BlockDriver. ---
  // A driver tells its child what it is about to do. Costs a load where nobody listens.
  void debug_event(DebugEvent event) {
    if (debug_listener_) debug_listener_->driver_->debug_event(*debug_listener_, event);
  }
  // These go to the first node from this one down along "file" that has the entry. Errors also:
  // unsupported, if none has.
  Result<void> debug_breakpoint(DebugEvent event, const std::string& tag);
  Result<void> debug_remove_breakpoint(const std::string& tag);
  Result<void> debug_resume(const std::string& tag);
  Result<bool> debug_wait(const std::string& tag, std::chrono::milliseconds at_most);

  const NodeStats& stats() const { return stats_; }
  const Limits& limits() const { return limits_; }

  // --- Use by others: exports, parents, tools. ---
  // Ends with the object. `user` completes "Node 'x' is in use by ...".
  class Attachment {
  public:
    Attachment() = default;
    Attachment(std::shared_ptr<Node> node, std::uint64_t id) : node_(std::move(node)), id_(id) {}
    Attachment(Attachment&& other) noexcept = default; // leaves the other empty
    Attachment& operator=(Attachment&& other) noexcept;
    ~Attachment();
    Node* node() const { return node_.get(); } // null when empty
    std::shared_ptr<Node> shared_node() const { return node_; }

  private:
    std::shared_ptr<Node> node_;
    std::uint64_t id_ = 0;
  };
  // Errors: permission (the node is read-only), busy (another user's access excludes this one),
  // not_found (the node is being closed).
  static Result<Attachment> attach(std::shared_ptr<Node> node, std::string user, Access access);
  // Names of the current users.
  std::vector<std::string> users() const;

  // --- For drivers, during open. ---
  // Opens the child that the options name under `child` ("file", "backing", or a name of the
  // driver's own): a reference ("file=NODE-NAME") or an inline definition ("file.driver=...").
  // `access` is what this node will do with it.
  // A definition without a driver is a file, unless the options name something else.
  Result<void> open_child(const std::string& child, Options& options, Access access);
  // For a backing file that the image names: opens it read-only, if follow_image_backing(). Name
  // and format (empty: probed) are as the image gives them, hostile: the name is only ever taken as
  // that of a file, relative to the directory of this node's own file. What the user's options say
  // about the backing file goes first. Errors carry "Could not open backing file".
  Result<void> open_backing(const std::string& filename, const std::string& format);
  Limits& limits() { return limits_; }
  void set_filename(std::string filename) { filename_ = std::move(filename); }
  // Whether the options let the driver follow a backing file name found in the image ("backing="
  // absent).
  bool follow_image_backing() const { return follow_image_backing_; }
  // true: lock nothing and tolerate others' locks (qemu-img's -U).
  bool force_share() const { return force_share_; }
  // For a resource that cannot be opened for writing: true if the options allow reading only
  // instead (auto-read-only=on), and the node is read-only from then on.
  bool fall_back_to_read_only();
  // true: opened only to be checked or repaired. The driver refuses no damage that check can
  // examine, repairs nothing by itself, and serves no requests.
  bool for_check() const { return for_check_; }

  // Tells the program, through Graph::set_event_sink(); `message` says of corruption what was
  // found, and is the text of a warning. Any thread, the driver's locks held or not, from open to
  // close.
  void emit(NodeEvent event, const std::string& message = {});

  // The driver's own object; dropped after close().
  void set_state(std::shared_ptr<void> state) { state_ = std::move(state); }
  template <typename T>
  T& state() const {
    return *static_cast<T*>(state_.get());
  }

private:
  friend class Graph;
  class Opening;
  class Users;

  Node(Graph& graph, const BlockDriver& driver, std::string name);

  using ReadEntry = Result<void> (*)(Node& node, std::uint64_t offset, const IoVector& vector);

  // `entry`: the driver's for reads of that kind.
  Result<void> counted_read(ReadEntry entry, std::uint64_t offset, const IoVector& vector);
  // One request, checked and served, but not counted.
  Result<void> read(ReadEntry entry, std::uint64_t offset, const IoVector& vector);
  Result<void> write(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags);
  Result<void> flush();
  Result<void> discard(std::uint64_t offset, std::uint64_t bytes);

  Result<Node*> debugger();
  Result<void> check_open() const;
  Result<void> check_range(std::uint64_t offset, std::uint64_t bytes, const char* verb);
  Result<void> check_write(std::uint64_t offset, std::uint64_t bytes, const char* verb);
  bool aligned(std::uint64_t offset, std::uint64_t bytes) const {
    return ((offset | bytes) & (limits_.request_alignment - 1)) == 0;
  }
  bool wants_zero_detection(const IoVector& vector) const;
  Result<BlockStatus> driver_block_status(std::uint64_t offset, std::uint64_t bytes);
  enum class BackingFiles { followed, left_out };
  Result<ChainStatus> find_status(std::uint64_t offset, std::uint64_t bytes, BackingFiles backing);
  void raise_length(std::uint64_t length);

  // Requests of any size and alignment, in pieces that the driver takes.
  Result<void> read_unaligned(ReadEntry entry, std::uint64_t offset, const IoVector& vector);
  Result<void> read_pieces(ReadEntry entry, std::uint64_t offset, const IoVector& vector);
  Result<void> write_unaligned(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  Result<void> write_pieces(std::uint64_t offset, const IoVector& vector, WriteFlags flags);
  Result<void> read_edge(std::uint64_t block, std::span<std::byte> memory);
  Result<void> write_zeroes_aligned(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags);
  Result<void> write_zero_bytes(std::uint64_t offset, std::uint64_t bytes);
  bool touches_guarded_head(std::uint64_t offset) const;
  Result<void> write_guarded_head(std::uint64_t offset, const IoVector& vector, WriteFlags flags);

  Graph& graph_;
  const BlockDriver* driver_;
  std::string name_;
  std::string filename_;
  bool read_only_ = true;
  bool auto_read_only_ = false;
  bool force_share_ = false;
  bool for_check_ = false;
  bool follow_image_backing_ = true;
  bool cache_direct_ = false;
  bool cache_no_flush_ = false;
  bool discard_ = true; // see unmaps()
  bool probed_as_raw_ = false;
  DetectZeroes detect_zeroes_ = DetectZeroes::unset;
  Limits limits_;
  Node* debug_listener_ = nullptr; // who is told this node's debug events; lives longer than it
  // What the driver last said, raised by writes that make the node grow; saves asking it each time.
  std::atomic<std::uint64_t> length_{0};
  std::atomic<bool> closed_{false};
  // Keeps writes apart while one of them reads, joins and writes whole blocks. Null where every
  // request is aligned (request_alignment 1), so that common requests take no lock at all.
  std::unique_ptr<RangeLock> write_ranges_;
  struct Child {
    Attachment attachment;
    bool owned = false; // defined within this node's options: closed with it
  };
  Child file_, backing_;
  std::map<std::string, Child> further_children_; // constant once the node is open
  Opening* opening_ = nullptr; // what the children need to know; only during open
  std::shared_ptr<void> state_;
  alignas(64) NodeStats stats_; // apart from what every request reads: each one writes here

  const std::unique_ptr<Users> users_;
  // Entries that are not requests run one at a time, and never after close.
  std::mutex control_mutex_;
  std::mutex truncate_mutex_;
  std::mutex guarded_head_mutex_;
};

} // namespace block

#endif
