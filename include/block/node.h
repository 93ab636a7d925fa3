// Node: one open image, file or filter in the block graph. Every request to it enters here.
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/driver.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace block {

class Graph;
class JobList;
class Node;

// unset: the user gave no value; the driver may choose, and the node layer treats it as off.
enum class DetectZeroes { unset, off, on, unmap };

// Successful requests and their bytes since open. A failed request counts only in
// failed_operations.
struct NodeStats {
  std::atomic<std::uint64_t> read_operations{0}, read_bytes{0};
  std::atomic<std::uint64_t> write_operations{0}, written_bytes{0};
  std::atomic<std::uint64_t> flush_operations{0};
  std::atomic<std::uint64_t> discard_operations{0}, discarded_bytes{0};
  std::atomic<std::uint64_t> zero_operations{0}, zeroed_bytes{0};
  std::atomic<std::uint64_t> failed_operations{0};
};

// Events that a driver or the graph reports by itself, not as the result of a call.
enum class NodeEvent {
  closed,          // the last event of a node; another node may get its name afterwards
  dedup_changed,   // query_dedup() now returns another status
  image_corrupted, // the image was found to be corrupt; it accepts no more writes
  warning,         // a message for the user that is not the error of any request
};

// What a user of a node does with it, and what it allows other users meanwhile.
struct Access {
  bool write = false;
  bool allow_other_writers = false;
};

// The status of a run of a node, looked up along its chain of backing files.
struct ChainStatus {
  // The status from the layer that supplies the content. A run that no layer has allocated reads as
  // zeros.
  BlockStatus status;
  // Backing files on the way to that layer; filters and raw windows do not count.
  unsigned depth = 0;
  // The node that supplies the content, or the last one asked. status.host_offset is an offset of
  // its child "file", or of itself if it has none.
  Node* layer = nullptr;
};

// Made by Graph::open and owned by shared_ptr. A shared_ptr keeps the memory; Graph::close ends the
// use.
//
// All request functions may be called on any thread, several at a time. They check bounds and
// permission, split at limits().max_transfer, do read-modify-write where the driver needs
// alignment, emulate entries that the driver lacks, call the driver, and count. Errors are those of
// the driver, or: invalid_argument with EIO (beyond the end), permission (node is read-only),
// unsupported (the driver lacks the entry and nothing replaces it, or the node was opened only for
// check), not_found (the node has been closed).
//
// A caller must hold an Attachment for as long as its requests run.
class Node {
public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const;
  const BlockDriver& driver() const { return *driver_; }
  bool read_only() const { return read_only_; }
  DetectZeroes detect_zeroes() const;
  // discard=unmap: discards and may_unmap reach the driver, and freed space is returned to the
  // host.
  bool unmaps() const;
  // Whether the host's page cache is bypassed, and whether flushes are left out (unsafe, fast). The
  // protocol driver implements the first, the node layer the second.
  bool cache_direct() const;
  bool cache_no_flush() const;
  // Name of the file at the bottom of the `file` chain, for messages and locks. May be empty.
  const std::string& filename() const;

  // Children, null if absent. The graph owns them; they live longer than this node is in use.
  Node* file() const { return file_.attachment.node(); }
  Node* backing() const { return backing_.attachment.node(); }
  // Returns a child that open_child() opened under another name.
  Node* child(const std::string& name) const;
  // Returns all children, in no particular order.
  std::vector<Node*> children() const;

  // --- Requests. Offsets and lengths are bytes. ---
  Result<std::uint64_t> co_get_length();
  Result<void> co_readv(std::uint64_t offset, const IoVector& vector);
  // Reads what the medium holds; see BlockDriver. Errors also: unsupported.
  Result<void> co_read_medium(std::uint64_t offset, const IoVector& vector);
  Result<void> co_writev(std::uint64_t offset, const IoVector& vector, WriteFlags flags = {});
  Result<void> co_flush();
  Result<void> co_pwrite_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags = {});
  Result<void> co_pdiscard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> co_truncate(std::uint64_t length, Preallocation preallocation = Preallocation::off);
  // Returns the first run of the range; status.bytes is never 0. Bytes beyond the end of a short
  // backing file read as zeros; the layer above that file is reported as their layer.
  Result<ChainStatus> co_chain_status(std::uint64_t offset, std::uint64_t bytes);
  // The same without the backing files. A run that is not allocated and not zero has its content in
  // a backing file.
  Result<BlockStatus> co_block_status(std::uint64_t offset, std::uint64_t bytes);

  // Returns whether the node reads as zeros if create_image() has just made it, apart from content
  // that a backing file supplies.
  bool reads_as_zeros_when_new();
  // Ends cache.no-flush for this node and its own children except the backing file. The next flush
  // reaches the disk. No request may be in flight.
  void resume_flushes();

  Result<DriverInfo> get_info();
  // The node must have been opened for check. Errors also: unsupported, permission (a repair of a
  // read-only node), busy (not opened for check).
  Result<CheckReport> check(const CheckRequest& request);
  // The same. Errors also: unsupported, permission (read-only), busy.
  Result<std::uint64_t> trim(const Progress& progress);
  Result<void> pause_dedup();
  Result<void> resume_dedup(const ResumeDedup& how = {});
  Result<DedupInfo> query_dedup();
  // Takes its options out of `options`. Errors also: unsupported (the driver cannot, or the node
  // was opened for check), permission (read-only).
  Result<void> amend(Options& options);

  // --- Events and breakpoints, for tests; see DebugOperations. ---
  // A driver reports to its child what it is about to do. Costs one load if there is no listener.
  void debug_event(DebugEvent event) {
    if (debug_listener_) debug_listener_->driver_->debug->event(*debug_listener_, event);
  }
  // These call the first node that has the entry, from this one down along "file". Errors also:
  // unsupported, if no node has it.
  Result<void> debug_breakpoint(DebugEvent event, const std::string& tag);
  Result<void> debug_remove_breakpoint(const std::string& tag);
  Result<void> debug_resume(const std::string& tag);
  Result<bool> debug_wait(const std::string& tag, std::chrono::milliseconds at_most);

  const NodeStats& stats() const;
  const Limits& limits() const { return limits_; }

  // --- Use by others: exports, parents, tools. ---
  // The use ends with the object. `user` completes "Node 'x' is in use by ...".
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
  // Opens the child that the options name under `child` ("file", "backing", or a name that the
  // driver chooses): a reference ("file=NODE-NAME") or an inline definition ("file.driver=..."). A
  // definition without a driver is a file, unless the options name something else. `access` is what
  // this node will do with the child.
  Result<void> open_child(const std::string& child, Options& options, Access access);
  // Opens the backing file that the image names, read-only, if follow_image_backing(). `filename`
  // and `format` (empty: probed) come from the image and are hostile: the name is always treated as
  // a file name, relative to the directory of this node's own file. The user's options about the
  // backing file take precedence. Errors carry "Could not open backing file".
  Result<void> open_backing(const std::string& filename, const std::string& format);
  Limits& limits() { return limits_; }
  void set_filename(std::string filename);
  // Whether the driver may open the backing file that the image names (no "backing=" option given).
  bool follow_image_backing() const;
  // true: take no lock, and tolerate the locks of others (qemu-img's -U).
  bool force_share() const;
  // For a resource that cannot be opened for writing. Returns true if the options allow read-only
  // instead (auto-read-only=on); the node is read-only from then on.
  bool fall_back_to_read_only();
  // true: opened only to be checked or repaired. The driver accepts all damage that check can
  // examine, and repairs nothing by itself. The node layer refuses requests that read, write,
  // discard, resize or ask for the block status.
  bool for_check() const;

  // Sends an event to the program's sink, Graph::set_event_sink(). `message` describes the finding
  // if the event is a corruption, and is the text of a warning. May be called on any thread, with
  // or without the driver's locks held, from open to close.
  void emit(NodeEvent event, const std::string& message = {});

  // The list for jobs of this node, see Graph. Null if the program lists none. A driver ends its
  // jobs before close() returns.
  JobList* jobs() const;
  // Handles the error of work that no request of the node asked for, on a thread of the driver, as
  // the node layer handles the error of a request: see BlockDriver::mark_corrupt.
  void note_error(const Error& error);

  // The driver's own object; dropped after close().
  void set_state(std::shared_ptr<void> state) { state_ = std::move(state); }
  template <typename T>
  T& state() const {
    return *static_cast<T*>(state_.get());
  }

private:
  friend class Graph;
  // block/node/inner.h. Every node is one; it holds the members that only the node layer uses.
  class Inner;
  class Opening;
  class Users;

  explicit Node(const BlockDriver& driver);
  ~Node();

  struct Child {
    Attachment attachment;
    bool owned = false; // defined within this node's options: closed with it
  };

  // What the inline functions above read, so that they cost no call.
  const BlockDriver* driver_;
  bool read_only_ = true;
  Limits limits_;
  Node* debug_listener_ = nullptr; // receives this node's debug events; lives longer than it
  Child file_, backing_;
  std::shared_ptr<void> state_;
};

} // namespace block

#endif
