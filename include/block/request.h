// The shape of requests: limits of a node, and flags of one request.
#ifndef BLOCK_REQUEST_H
#define BLOCK_REQUEST_H

#include <cstdint>

namespace block {

// What a node accepts. The driver sets it in `open` through Node::limits(); it is constant
// afterwards.
struct Limits {
  // Bytes, a power of two. Every offset and every length is a multiple of it.
  std::uint32_t request_alignment = 1;
  // Bytes. Requests of this size and alignment need no read-modify-write.
  std::uint32_t opt_transfer = 4096;
  // Largest size of one read or write, in bytes. The node layer splits longer requests.
  std::uint64_t max_transfer = 32 * 1024 * 1024;
  // true: a write beyond the end reaches the driver and makes the node longer, as in a file, and
  // the length may change without a request of this node. false: such a write is refused, and only
  // co_truncate changes the length. The node layer sets it for a filter, from the child.
  bool grows_on_write = false;
};

struct WriteFlags {
  bool fua = false; // durable before the request returns
};

struct ZeroFlags {
  bool fua = false;         // durable before the request returns
  bool may_unmap = false;   // the range may lose its allocation
  bool no_fallback = false; // fail with ErrorKind::unsupported instead of writing zero bytes slowly
};

} // namespace block

#endif
