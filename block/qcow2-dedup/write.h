// The deduplicating write path.
#ifndef BLOCK_QCOW2_DEDUP_WRITE_H
#define BLOCK_QCOW2_DEDUP_WRITE_H

#include "block/qcow2-dedup/deduplicator.h"
#include "block/qcow2/disk.h"

namespace qcow2_dedup {

// Writes a range, which must lie within the disk and not be empty. Content that is stored already
// is shared, zeros become zero entries, and the rest is written. While deduplication is paused, the
// plain qcow2 path writes all of it. Any thread.
Result<void> write(Deduplicator& dedup, qcow2::Disk& disk, GuestOffset offset,
                   const block::IoVector& vector);

} // namespace qcow2_dedup

#endif
