// MappedRange: what the guest reads in a range of a disk, and where it is stored.
#ifndef BLOCK_QCOW2_MAPPED_RANGE_H
#define BLOCK_QCOW2_MAPPED_RANGE_H

#include "block/qcow2/format.h"

namespace qcow2 {

// Code that only reads the mapping asks Mapping::range() and never interprets an L2 entry. Code
// that changes an entry, or overwrites its cluster in place, needs the entry itself with COPIED.
struct MappedRange {
  enum class Kind {
    unallocated, // the backing file supplies the content; without one, zeros
    zeros,
    data, // stored as it is, in one piece of the file
  };

  Kind kind = Kind::unallocated;
  // Of the first byte: the data, or the clusters that are reserved for a range of zeros.
  std::optional<HostOffset> host;
  std::uint64_t bytes = 0;

  // The range of `bytes` bytes that begins `within` bytes after the begin of the entry's cluster.
  // The entry must be sound, and not of a compressed cluster.
  static MappedRange of(L2Entry entry, std::uint64_t within, std::uint64_t bytes) {
    Kind kind = entry.is_data()          ? Kind::data
                : entry.reads_as_zeros() ? Kind::zeros
                                         : Kind::unallocated;
    std::optional<HostOffset> host = entry.host_offset();
    return {kind, host ? std::optional(*host + within) : std::nullopt, bytes};
  }
  // Whether `next`, which begins where this range ends in the disk, is of the same kind and follows
  // in the file, too, if the ranges have host offsets.
  bool continued_by(const MappedRange& next) const {
    if (kind != next.kind || host.has_value() != next.host.has_value()) return false;
    return !host || *host + bytes == *next.host;
  }
};

} // namespace qcow2

#endif
