// The BlockDriver table: the interface between a driver module and the block layer.
//
// A table of function pointers, one for each operation of a driver. A null entry means "not
// supported": the node layer then emulates the request (see each entry) or refuses it.
//
// Common contract
//   Threads    Entries whose names begin with co_ may wait, for a disk or for another request. They
//              are called on any thread, several at a time; the driver locks what it shares. All
//              other entries are called one at a time for a node: open, close, create and check
//              while no request of the node is in flight, get_info and the deduplication entries at
//              any time.
//   Addresses  Offsets and lengths are bytes of the node's own content: guest bytes for an image
//              format, file bytes for a protocol driver.
//   Checked    Before the node layer calls a co_ entry, it checks that the range lies within the
//              node's length (rounded up to limits().request_alignment), that the size equals the
//              vector's size and is not zero, that offset and size are multiples of
//              request_alignment, and that the node is open for writing if the request writes.
//   Errors     Every failure is an Error with a message that names what failed. After a failed
//              write the content of the range is undefined, and everything outside it is
//              unchanged.
//   Exceptions do not leave an entry.
#ifndef BLOCK_DRIVER_H
#define BLOCK_DRIVER_H

#include "block/debug-event.h"
#include "block/info.h"
#include "block/io-vector.h"
#include "block/options.h"
#include "block/result.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace block {

class Node;

// The shape and the largest size of a node's requests. `open` sets them through Node::limits().
struct Limits {
  // Bytes, a power of two. Every offset and every length is a multiple of it.
  std::uint32_t request_alignment = 1;
  // Largest size of one read or write, in bytes. The node layer splits longer requests.
  std::uint64_t max_transfer = 32 * 1024 * 1024;
  // Bytes. Requests of this size and alignment need no read-modify-write.
  std::uint32_t opt_transfer = 4096;
};

struct WriteFlags {
  bool fua = false; // durable before the request returns
};

struct ZeroFlags {
  bool fua = false;         // durable before the request returns
  bool may_unmap = false;   // the range may lose its allocation
  bool no_fallback = false; // fail with ErrorKind::unsupported instead of writing zero bytes slowly
};

// One option that `create -o` takes.
struct CreateOption {
  enum class Type { text, size, number, boolean };
  std::string name;
  Type type;
  std::string help;
  // Printed in "Formatting ..." and used if the option is not given. Empty: the option is left out
  // unless it is given.
  std::string default_value;
};

// Called from time to time during long work, on the working thread, with `done` of `total` units.
// Never called after the work has ended.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

enum class Preallocation { off, metadata, falloc, full };
// Errors: invalid_argument.
Result<Preallocation> parse_preallocation(const std::string& text);

// How deduplication continues after a pause.
struct ResumeDedup {
  // true: scan the whole disk. false: scan only what may have been stored without deduplication.
  bool scan_all = false;
  // Bytes per second that the scan may read at most; 0 = no limit. Not set: the limit stays as it
  // is.
  std::optional<std::uint64_t> scan_rate;
};

struct BlockDriver {
  // Name in driver=... and in create -f. Unique among the loaded drivers.
  const char* format_name = nullptr;

  // true: the driver opens files or other resources itself. false: it is a format or filter over
  // the child "file".
  bool is_protocol = false;
  // true: a write beyond the end makes the node longer, as in a file. false: such a write is
  // refused.
  bool grows_on_write = false;
  // true: the node may have a backing child that supplies the content of unallocated ranges.
  bool supports_backing = false;
  // true: the driver itself detects zeros in written data, as Node::detect_zeroes() asks. false:
  // the node layer turns a write that consists only of zeros into co_pwrite_zeroes.
  bool detects_zeroes = false;

  // Returns how likely the first bytes of a file are in the driver's format: 0 = no, 100 = certain.
  // `head` holds up to 64 KiB, belongs to the caller and is hostile. Null: the format is never
  // probed.
  int (*probe)(std::span<const std::byte> head) = nullptr;

  // Options of create; null = none. The returned list lives as long as the module.
  const std::vector<CreateOption>& (*create_options)() = nullptr;

  // Sets the options whose default depends on another option. Called before the options are shown
  // and used. Null: there are no such options.
  void (*choose_create_defaults)(Options& options) = nullptr;

  // Protocol drivers: creates an empty file called `filename`, or truncates an existing one. A
  // device keeps its content. Returns the path of the file if it is new, so that the caller can
  // remove it when the creation of the image fails; otherwise an empty text.
  Result<std::string> (*create_file)(const std::string& filename, Options& options) = nullptr;
  // Format drivers: takes the options of create() out of `options` and returns the error that
  // create() would return for them. Called before a file is made or opened. Null: every option that
  // create() takes is valid.
  Result<void> (*check_create_options)(Options& options) = nullptr;
  // Format drivers: writes an empty image into `file`, which is open for writing and either empty
  // or a device with any content. Takes its options out of `options`; "size" is in bytes and always
  // present. `file` is durable at return.
  Result<void> (*create)(Node& file, Options& options) = nullptr;
  // Returns whether an image that create_image() has just made here reads as zeros. Null: no.
  bool (*reads_as_zeros_when_new)(Node& node) = nullptr;

  // Opens the node: takes its options out of `options`, opens its children with node.open_child(),
  // sets limits(), and stores its own object with node.set_state(). After an error the node layer
  // closes the children and drops the state.
  Result<void> (*open)(Node& node, Options& options) = nullptr;
  // Closes the node: makes everything durable and drops the state. Called once, while no request is
  // in flight and the children are still open. The node layer has flushed a writable node before;
  // null: that flush is enough. An error means that something may not be durable; the node is
  // closed all the same.
  Result<void> (*close)(Node& node) = nullptr;

  // Length in bytes. Any thread.
  Result<std::uint64_t> (*co_get_length)(Node& node) = nullptr;

  // Reads into the vector's memory. A format driver reads unallocated ranges from node.backing(),
  // or as zeros if there is no backing node.
  Result<void> (*co_readv)(Node& node, std::uint64_t offset, const IoVector& vector) = nullptr;

  // As co_readv, but reads what the medium holds. It bypasses every cache that may still show data
  // of a failed write-back. Cached data that is not written yet is written first. Null, or
  // ErrorKind::unsupported: the content of the medium cannot be determined.
  Result<void> (*co_read_medium)(Node& node, std::uint64_t offset,
                                 const IoVector& vector) = nullptr;

  // Writes the vector's memory. The caller must not change that memory until the request returns,
  // so a driver may hash it first and write it later. Two overlapping writes may take effect in
  // either order, but are not mixed within one 512-byte sector. Null: the node opens only with
  // read-only=on. The node layer passes the flag fua only if supports_fua; otherwise it flushes
  // after the write.
  Result<void> (*co_writev)(Node& node, std::uint64_t offset, const IoVector& vector,
                            WriteFlags flags) = nullptr;
  bool supports_fua = false;

  // Makes durable every request that returned before this call, and everything that earlier
  // processes wrote. After data was lost, every flush fails until the node is opened anew. Null:
  // the node layer flushes the child "file", if there is one and it is writable.
  Result<void> (*co_flush)(Node& node) = nullptr;

  // Makes the range read as zeros. The range need not be aligned to clusters. Null, or
  // ErrorKind::unsupported: the node layer writes zero bytes unless no_fallback.
  Result<void> (*co_pwrite_zeroes)(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                   ZeroFlags flags) = nullptr;

  // Declares that the content of the range is no longer needed. It may then read as any earlier
  // content or as zeros. Null: succeeds and does nothing.
  Result<void> (*co_pdiscard)(Node& node, std::uint64_t offset, std::uint64_t bytes) = nullptr;

  // Sets the length in bytes; new space reads as zeros. Null: refused.
  Result<void> (*co_truncate)(Node& node, std::uint64_t length,
                              Preallocation preallocation) = nullptr;

  // Returns the status of the run that begins at `offset`; BlockStatus::bytes is its length (1 to
  // `bytes`). The driver reports only its own allocation. The node layer looks up unallocated runs
  // in the backing file. Null: everything is data, at the same offset of the child "file" if there
  // is one.
  Result<BlockStatus> (*co_block_status)(Node& node, std::uint64_t offset,
                                         std::uint64_t bytes) = nullptr;

  // Returns format, cluster size and format-specific facts. Null: there are none.
  Result<DriverInfo> (*get_info)(Node& node) = nullptr;

  // Checks the image, and repairs it if `request` asks for that. The node must have no other user
  // meanwhile. Null: refused with ErrorKind::unsupported.
  Result<CheckReport> (*check)(Node& node, const CheckRequest& request) = nullptr;

  // Returns the unused space of the image's file to the host. The node must be open for check and
  // for writing. Returns how many bytes of the file were free, holes included. Errors also:
  // corrupt, if it is not certain which clusters the image uses. Null: refused with
  // ErrorKind::unsupported.
  Result<std::uint64_t> (*trim)(Node& node, const Progress& progress) = nullptr;

  // Deduplication control; all null for a driver without deduplication. Called on the monitor's
  // thread while requests run; they return at once. Error: not_dedup, if the image is not
  // deduplicated.
  Result<void> (*pause_dedup)(Node& node) = nullptr;
  // Resumes deduplication, and starts the scan if anything may have been stored without
  // deduplication. The scan is a job of type "dedup" in Node::jobs(). A call while deduplication
  // runs succeeds and applies `how`.
  Result<void> (*resume_dedup)(Node& node, const ResumeDedup& how) = nullptr;
  Result<DedupInfo> (*query_dedup)(Node& node) = nullptr;

  // amend_options: the options of amend. amend: changes format options of an image. The node is
  // open for writing, no request is in flight, and the node is closed afterwards, so a change may
  // take effect at the next open. Null: refused.
  const std::vector<CreateOption>& (*amend_options)() = nullptr;
  Result<void> (*amend)(Node& node, Options& options) = nullptr;

  // For tests. All may be called on any thread, at any time while the node is open; null: not
  // supported.
  //
  // debug_event: the parent, or a node above it, is about to do on this thread what the event
  // names. The call may wait if the event can hold.
  void (*debug_event)(Node& node, DebugEvent event) = nullptr;
  // true: a filter without debug_event; its child "file" receives the events instead.
  bool passes_debug_events = false;
  // Sets a breakpoint: the next request in which the event happens is held, once, under the tag.
  // Error: unsupported, if the event cannot hold.
  Result<void> (*debug_breakpoint)(Node& node, DebugEvent event, const std::string& tag) = nullptr;
  // Removes the breakpoints with the tag and resumes the requests that they hold. An empty tag
  // stands for all. Error: not_found, if there is no such tag.
  Result<void> (*debug_remove_breakpoint)(Node& node, const std::string& tag) = nullptr;
  // Resumes the first request that is held under the tag. Error: not_found.
  Result<void> (*debug_resume)(Node& node, const std::string& tag) = nullptr;
  // Waits until a request is held under the tag. Returns false if none is held after `at_most`.
  Result<bool> (*debug_wait)(Node& node, const std::string& tag,
                             std::chrono::milliseconds at_most) = nullptr;
};

} // namespace block

#endif
