// The BlockDriver table: what a driver module gives the block layer.
//
// A table of function pointers, one for each thing a driver can do. A null entry means "not
// supported": the node layer then emulates the request (see each entry) or refuses it.
//
// Common contract
//   Threads    Names that begin with co_ may wait, for a disk or for another request. They are
//              called on any thread, several at a time; the driver locks what it shares. All
//              others are called one at a time for a node: open, close, create and check while no
//              request of it is in flight, get_info and the deduplication entries at any time.
//   Addresses  Offsets and lengths are bytes of the node's own content: guest bytes for an image
//              format, file bytes for a protocol driver.
//   Checked    Before a co_ entry is called, the node layer has checked that the range lies within
//              the node's length (rounded up to limits().request_alignment), that its size is what
//              the vector holds and not zero, that offset and size are multiples of
//              request_alignment, and that the node is open for writing if the request writes.
//   Errors     Every failure is an Error with a message that names what failed; the content of the
//              range is then undefined for a failed write, and everything outside it is untouched.
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

// What a node's requests must look like, and how large they may be. Filled by open through
// Node::limits().
struct Limits {
  std::uint32_t request_alignment =
      1; // bytes, power of two: every offset and length is a multiple of it
  std::uint64_t max_transfer =
      32 * 1024 * 1024; // bytes of one read or write; longer ones arrive in pieces
  std::uint32_t opt_transfer =
      4096; // bytes: requests of this size and alignment cost no read-modify-write
};

struct WriteFlags {
  bool fua = false; // durable before the request returns
};

struct ZeroFlags {
  bool fua = false;         // durable before the request returns
  bool may_unmap = false;   // the range may lose its allocation
  bool no_fallback = false; // fail with ErrorKind::unsupported rather than write zero bytes slowly
};

// One option that `create -o` takes.
struct CreateOption {
  enum class Type { text, size, number, boolean };
  std::string name;
  Type type;
  std::string help;
  // Printed in "Formatting ..." and used when the option is not given; empty = left out unless
  // given.
  std::string default_value;
};

// Called now and then during long work, on the working thread: `done` of `total` units. Never after
// the work's end.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

enum class Preallocation { off, metadata, falloc, full };
// Errors: invalid_argument.
Result<Preallocation> parse_preallocation(const std::string& text);

// How deduplication goes on after a pause.
struct ResumeDedup {
  // Look at the whole disk, not only at what may have been stored without deduplication.
  bool scan_all = false;
  // Bytes that the scan may read in a second, 0 = no limit; nothing: as before.
  std::optional<std::uint64_t> scan_rate;
};

// cancel: the scan ends where it is; the next resume or open goes on from there.
enum class DedupScanControl { pause, resume, cancel };

struct BlockDriver {
  // Name in driver=..., and in create -f. Unique among loaded drivers.
  const char* format_name = nullptr;

  // true: opens files or other resources itself. false: a format or filter over the child "file".
  bool is_protocol = false;
  // true: a write beyond the end makes the node longer, as a file does; else such a write is
  // refused.
  bool grows_on_write = false;
  // true: the node may have a backing child that supplies what it has not allocated.
  bool supports_backing = false;
  // true: the driver itself looks for zeros in what is written, as Node::detect_zeroes() asks; else
  // the node layer turns a write of nothing but zeros into co_pwrite_zeroes.
  bool detects_zeroes = false;

  // How sure the driver is that the first bytes of a file are its format: 0 = no, 100 = certain.
  // Null: never probed. `head` holds up to 64 KiB and belongs to the caller; hostile.
  int (*probe)(std::span<const std::byte> head) = nullptr;

  // Options that create understands; null = none. The returned list lives as long as the module.
  const std::vector<CreateOption>& (*create_options)() = nullptr;

  // Sets options whose default depends on another one, before they are shown and used; null = there
  // are none.
  void (*choose_create_defaults)(Options& options) = nullptr;

  // Protocol drivers: makes an empty file (or truncates an existing one) called `filename`. Returns
  // the path of the file if it was not there before, so that it can be removed if the image fails
  // to be made; else an empty text. A device keeps its content.
  Result<std::string> (*create_file)(const std::string& filename, Options& options) = nullptr;
  // Format drivers: takes the options of create() out of `options` and returns the error that
  // create() would return for them. Called before a file is made or opened. Null: all are good that
  // create() takes.
  Result<void> (*check_create_options)(Options& options) = nullptr;
  // Format drivers: writes an empty image into `file`, which is open for writing and empty, or a
  // device with any content. Takes its options out of `options`; "size" is in bytes and always
  // there. Leaves `file` durable.
  Result<void> (*create)(Node& file, Options& options) = nullptr;
  // Whether an image that create_image() has just made here reads as zeros. Null: no.
  bool (*reads_as_zeros_when_new)(Node& node) = nullptr;

  // Opens: takes its options out of `options`, opens its children with node.open_child(), sets
  // limits(), and keeps its own object with node.set_state(). On an error the node layer closes the
  // children and drops the state.
  Result<void> (*open)(Node& node, Options& options) = nullptr;
  // Ends: makes everything durable and drops the state. A writable node was flushed before; null:
  // that was enough. Called once, when no request is in flight; the children are still open. An
  // error means that something may not be durable; the node is closed all the same.
  Result<void> (*close)(Node& node) = nullptr;

  // Length in bytes. Any thread.
  Result<std::uint64_t> (*co_get_length)(Node& node) = nullptr;

  // Reads into the vector's memory. A format driver reads what it has not allocated from
  // node.backing(), or as zeros.
  Result<void> (*co_readv)(Node& node, std::uint64_t offset, const IoVector& vector) = nullptr;

  // As co_readv, but reads what the medium holds, past every cache that may still show what a
  // failed write-back lost. What is cached and not written yet is written first. Null, or
  // ErrorKind::unsupported: that cannot be told.
  Result<void> (*co_read_medium)(Node& node, std::uint64_t offset,
                                 const IoVector& vector) = nullptr;

  // Writes the vector's memory, which nobody changes until the request returns: a driver may hash
  // it first and write it later. Two writes that overlap may end in either order, but not mixed
  // within one 512-byte sector. Null: the node opens only with read-only=on. Flag fua is passed
  // only if supports_fua; the node layer else flushes after the write.
  Result<void> (*co_writev)(Node& node, std::uint64_t offset, const IoVector& vector,
                            WriteFlags flags) = nullptr;
  bool supports_fua = false;

  // Makes every request that returned before this call durable, and what earlier processes wrote.
  // After data was lost, no flush succeeds until the node is opened anew. Null: flushes the child
  // "file", if there is one that can be written.
  Result<void> (*co_flush)(Node& node) = nullptr;

  // Makes the range read as zeros. Null, or ErrorKind::unsupported: the node layer writes zero
  // bytes unless no_fallback. The range need not be aligned to clusters.
  Result<void> (*co_pwrite_zeroes)(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                   ZeroFlags flags) = nullptr;

  // The content of the range is no longer needed and may read as anything it held before, or as
  // zeros. Null: succeeds, does nothing.
  Result<void> (*co_pdiscard)(Node& node, std::uint64_t offset, std::uint64_t bytes) = nullptr;

  // Sets the length in bytes; new space reads as zeros. Null: refused.
  Result<void> (*co_truncate)(Node& node, std::uint64_t length,
                              Preallocation preallocation) = nullptr;

  // What lies at `offset`: BlockStatus::bytes says how far the answer holds (1 to `bytes`). The
  // driver answers for itself: what it has not allocated, the node layer looks up in the backing
  // file. Null: all data, at the same offset of child "file" if there is one.
  Result<BlockStatus> (*co_block_status)(Node& node, std::uint64_t offset,
                                         std::uint64_t bytes) = nullptr;

  // Format, cluster size and format-specific facts. Null: the node layer knows none.
  Result<DriverInfo> (*get_info)(Node& node) = nullptr;

  // Examines the image, and repairs it if asked. Null: refused with ErrorKind::unsupported. The
  // node is not used by anyone else meanwhile.
  Result<CheckReport> (*check)(Node& node, const CheckRequest& request) = nullptr;

  // Gives the host what the image does not use of its file. The node was opened to be checked, for
  // writing. Returns how many bytes of the file were free, holes or not. Errors also: corrupt, if
  // it is not sure what the image uses. Null: refused with ErrorKind::unsupported.
  Result<std::uint64_t> (*trim)(Node& node, const Progress& progress) = nullptr;

  // Deduplication control; all null for a driver without it. They are called on the monitor's
  // thread while requests run, and return at once. A driver whose image is not deduplicated answers
  // ErrorKind::not_dedup.
  Result<void> (*pause_dedup)(Node& node) = nullptr;
  // Begins the scan, if anything may have been stored without deduplication; NodeEvent tells of its
  // progress. Resuming what runs succeeds and applies `how`.
  Result<void> (*resume_dedup)(Node& node, const ResumeDedup& how) = nullptr;
  Result<DedupInfo> (*query_dedup)(Node& node) = nullptr;
  // Errors also: invalid_argument, if the scan is not in a state for that.
  Result<void> (*control_dedup_scan)(Node& node, DedupScanControl control) = nullptr;

  // Options that amend understands, and the change of an image's format options. The node is open
  // for writing and no request is in flight; it is closed after that, so what changes may take
  // effect at the next open. Null: refused.
  const std::vector<CreateOption>& (*amend_options)() = nullptr;
  Result<void> (*amend)(Node& node, Options& options) = nullptr;

  // For tests. All on any thread, at any time while the node is open; null: not supported.
  //
  // The parent, or one above it, is about to do what the event names, on this thread. May wait, if
  // the event can hold.
  void (*debug_event)(Node& node, DebugEvent event) = nullptr;
  // true: a filter without debug_event, whose child "file" is told the events instead of it.
  bool passes_debug_events = false;
  // The next request in which the event happens is held, once, under that tag. Error: unsupported,
  // for an event that cannot hold.
  Result<void> (*debug_breakpoint)(Node& node, DebugEvent event, const std::string& tag) = nullptr;
  // Removes the break points with that tag, and lets the requests go on that they hold; an empty
  // tag stands for all. Error: not_found, for a tag that there is not.
  Result<void> (*debug_remove_breakpoint)(Node& node, const std::string& tag) = nullptr;
  // The first request that is held under the tag goes on. Error: not_found.
  Result<void> (*debug_resume)(Node& node, const std::string& tag) = nullptr;
  // Waits until a request is held under the tag; false if there is none after that time.
  Result<bool> (*debug_wait)(Node& node, const std::string& tag,
                             std::chrono::milliseconds at_most) = nullptr;
};

} // namespace block

#endif
