// The BlockDriver table: the interface between a driver module and the block layer.
//
// A table of function pointers for the life of a node, its requests and its image. A null entry
// means "not supported": the node layer then emulates the request (see each entry) or refuses it.
// What only some drivers can do is in tables of its own: dedup.h, debug.h.
//
// Common contract
//   Threads    Entries whose names begin with co_ may wait, for a disk or for another request. They
//              are called on any thread, several at a time; the driver locks what it shares.
//              mark_corrupt, DebugOperations and the entries without a node are called in the same
//              way. All other entries are called one at a time for a node: open, close, create,
//              check, trim and amend while no request of the node is in flight, get_info and
//              DedupOperations at any time.
//   Addresses  Offsets and lengths are bytes of the node's own content: guest bytes for an image
//              format, file bytes for a protocol driver.
//   Checked    Before the node layer calls a co_ entry, it checks that the range lies within the
//              node's length (rounded up to limits().request_alignment), that the size equals the
//              vector's size and is not zero, that offset and size are multiples of
//              request_alignment, and that the node is open for writing if the request writes. If
//              the node was opened only for check, it calls only co_get_length and co_flush.
//   Errors     Every failure is an Error with a kind and a message that names what failed. After a
//              failed write the content of the range is undefined, and everything outside it is
//              unchanged.
//   Exceptions do not leave an entry.
#ifndef BLOCK_DRIVER_H
#define BLOCK_DRIVER_H

#include "block/create.h"
#include "block/debug.h"
#include "block/dedup.h"
#include "block/info.h"
#include "block/io-vector.h"
#include "block/options.h"
#include "block/request.h"
#include "block/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace block {

class Node;

// Called from time to time during long work, on the working thread, with `done` of `total` units.
// Never called after the work has ended.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct BlockDriver {
  // Name in driver=... and in create -f. Unique among the loaded drivers.
  const char* format_name = nullptr;

  // true: the driver opens files or other resources itself. false: it is a format or filter over
  // the child "file".
  bool is_protocol = false;
  // true: the content is that of the child "file", which `open` must open. The node layer then
  // takes from the child what the driver leaves out: the length, Limits::grows_on_write,
  // reads_as_zeros_when_new, and the listener of debug events.
  bool is_filter = false;
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
  // Returns whether an image that create_image() has just made here reads as zeros. Null: no, or
  // the answer of the child of a filter.
  bool (*reads_as_zeros_when_new)(Node& node) = nullptr;

  // Required. Opens the node: takes its options out of `options`, opens its children with
  // node.open_child(), sets limits(), and stores its own object with node.set_state(). After an
  // error the node layer closes the children and drops the state.
  Result<void> (*open)(Node& node, Options& options) = nullptr;
  // Closes the node: makes everything durable and ends the driver's own threads. Called once, while
  // no request is in flight and the children are still open. The node layer drops the state
  // afterwards. It has flushed a writable node before, except when the opening failed after `open`
  // had succeeded. Null: that flush is enough. An error means that something may not be durable;
  // the node is closed all the same.
  Result<void> (*close)(Node& node) = nullptr;

  // Returns the length in bytes. Required unless is_filter.
  Result<std::uint64_t> (*co_get_length)(Node& node) = nullptr;

  // Required. Reads into the vector's memory. A format driver reads unallocated ranges from
  // node.backing(), or as zeros if there is no backing node.
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

  // Called after a request or close returned ErrorKind::corrupt, on its thread, while other
  // requests run. From then on the driver refuses requests that change the image, and a writable
  // node records the corruption in its file. Returns true the first time; then the node layer emits
  // image_corrupted. Null: the error is only returned.
  bool (*mark_corrupt)(Node& node) = nullptr;

  // Returns format, cluster size and format-specific facts. Null: there are none.
  Result<DriverInfo> (*get_info)(Node& node) = nullptr;

  // Checks the image, and repairs it if `request` asks for that. The node is open for check. Null:
  // refused with ErrorKind::unsupported.
  Result<CheckReport> (*check)(Node& node, const CheckRequest& request) = nullptr;

  // Returns the unused space of the image's file to the host. The node is open for check and for
  // writing. Returns how many bytes of the file were free, holes included. Errors also:
  // corrupt, if it is not certain which clusters the image uses. Null: refused with
  // ErrorKind::unsupported.
  Result<std::uint64_t> (*trim)(Node& node, const Progress& progress) = nullptr;

  // amend_options: the options of amend. amend: changes format options of an image. The node is
  // open for writing, no request is in flight, and the node is closed afterwards, so a change may
  // take effect at the next open. Null: refused.
  const std::vector<CreateOption>& (*amend_options)() = nullptr;
  Result<void> (*amend)(Node& node, Options& options) = nullptr;

  // Capabilities; null = the driver does not have it.
  const DedupOperations* dedup = nullptr;
  const DebugOperations* debug = nullptr;
};

} // namespace block

#endif
