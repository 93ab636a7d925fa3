// Node: one open image, file or filter in the block graph, and the entry of every request to it.
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/driver.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace block {

class Graph;

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

// What a driver tells on its own account, not as the answer to a call.
enum class NodeEvent {
  dedup_status_changed, // query_dedup() now gives another status
};

// What a user of a node does with it, and what it lets others do meanwhile.
struct Access {
  bool write = false;
  bool allow_other_writers = false;
};

// Made by Graph::open, owned by shared_ptr: a user that holds one keeps the memory, Graph::close
// ends the use.
//
// All request functions may be called on any thread, several at a time. They check bounds and
// permission, split at limits().max_transfer, align by reading and joining where the driver needs
// alignment, emulate what the driver lacks, call the driver, and count. Errors are those of the
// driver, or: invalid_argument (beyond the end), permission (node is read-only).
class Node {
public:
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const { return name_; }
  const BlockDriver& driver() const { return *driver_; }
  bool read_only() const { return read_only_; }
  DetectZeroes detect_zeroes() const { return detect_zeroes_; }
  // The file name for people and for locks: of the protocol node below. May be empty.
  const std::string& filename() const { return filename_; }

  // Children, null if absent. Owned by the graph; they outlive this node's use.
  Node* file() const { return file_.get(); }
  Node* backing() const { return backing_.get(); }

  // --- Requests. Offsets and lengths are bytes. ---
  Result<std::uint64_t> co_get_length();
  Result<void> co_readv(std::uint64_t offset, const IoVector& vector);
  Result<void> co_writev(std::uint64_t offset, const IoVector& vector, WriteFlags flags = {});
  Result<void> co_flush();
  Result<void> co_pwrite_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags = {});
  Result<void> co_pdiscard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> co_truncate(std::uint64_t length, Preallocation preallocation = Preallocation::off);
  Result<BlockStatus> co_block_status(std::uint64_t offset, std::uint64_t bytes);

  Result<DriverInfo> get_info();
  Result<CheckReport> check(const CheckRequest& request);
  Result<void> pause_dedup();
  Result<void> resume_dedup();
  Result<DedupInfo> query_dedup();

  const NodeStats& stats() const { return stats_; }
  const Limits& limits() const { return limits_; }

  // --- Use by others: exports, parents, tools. ---
  // Ends with the object. `user` completes "Node 'x' is in use by ...".
  class Attachment {
  public:
    Attachment() = default;
    Attachment(std::shared_ptr<Node> node, std::uint64_t id) : node_(std::move(node)), id_(id) {}
    Attachment(Attachment&& other) noexcept = default;
    Attachment& operator=(Attachment&& other) noexcept;
    ~Attachment();
    Node* node() const { return node_.get(); }

  private:
    std::shared_ptr<Node> node_;
    std::uint64_t id_ = 0;
  };
  // Errors: permission (the node is read-only), busy (another user's access excludes this one).
  static Result<Attachment> attach(std::shared_ptr<Node> node, std::string user, Access access);
  // Names of the current users.
  std::vector<std::string> users() const;

  // --- For drivers, during open. ---
  // Opens the child that the options name under `child` ("file" or "backing"): a reference
  // ("file=NODE-NAME") or an inline definition ("file.driver=..."). `access` is what this node will
  // do with it.
  Result<void> open_child(const std::string& child, Options& options, Access access);
  // For a backing file that the image names: opened read-only with the given options.
  Result<void> open_backing(Options options);
  Limits& limits() { return limits_; }
  void set_filename(std::string filename) { filename_ = std::move(filename); }
  // Whether the options let the driver follow a backing file name found in the image ("backing="
  // absent).
  bool follow_image_backing() const { return follow_image_backing_; }
  // true: lock nothing and tolerate others' locks (qemu-img's -U).
  bool force_share() const { return force_share_; }

  // Tells the program, through Graph::set_event_sink(). Any thread, the driver's locks held or not,
  // from open to close.
  void emit(NodeEvent event);

  // The driver's own object; dropped after close().
  void set_state(std::shared_ptr<void> state) { state_ = std::move(state); }
  template <typename T>
  T& state() const {
    return *static_cast<T*>(state_.get());
  }

private:
  friend class Graph;
  struct User {
    std::uint64_t id;
    std::string name;
    Access access;
  };

  Node(Graph& graph, const BlockDriver& driver, std::string name);

  Result<void> check_range(std::uint64_t offset, std::uint64_t bytes, const char* verb) const;
  Result<void> check_writable() const;

  Graph& graph_;
  const BlockDriver* driver_;
  std::string name_;
  std::string filename_;
  bool read_only_ = true;
  bool force_share_ = false;
  bool follow_image_backing_ = true;
  DetectZeroes detect_zeroes_ = DetectZeroes::unset;
  Limits limits_;
  std::shared_ptr<Node> file_;
  std::shared_ptr<Node> backing_;
  Attachment file_attachment_;
  Attachment backing_attachment_;
  std::shared_ptr<void> state_;
  NodeStats stats_;

  mutable std::mutex users_mutex_;
  std::vector<User> users_;     // guarded by users_mutex_
  std::uint64_t next_user_ = 1; // guarded by users_mutex_
};

} // namespace block

#endif
