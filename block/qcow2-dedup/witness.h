// Witness: what a clean end says of the file, so that the next program notices a file that is not
// the one that was closed.
#ifndef BLOCK_QCOW2_DEDUP_WITNESS_H
#define BLOCK_QCOW2_DEDUP_WITNESS_H

#include "block/qcow2-dedup/extension.h"
#include "block/qcow2/disk.h"

namespace qcow2_dedup {

// The digest of the L1 table and the refcount table, as memory has them; never 0. They lead to all
// other tables, and change whenever the image gets a new one.
std::uint64_t tables_digest(qcow2::Disk& disk) REQUIRES(disk.image.metadata_mutex);

// Enters file_end and tables_digest for the file as it is: everything has been written.
void record_witness(qcow2::Disk& disk, Extension& extension) REQUIRES(disk.image.metadata_mutex);
// So that nothing is said of the file.
void clear_witness(Extension& extension);

// How many bytes of those that were in use at the last clean end the file lacks. For the extension
// of a table that is current; any other says nothing of the file.
std::uint64_t missing_bytes(const Extension& extension, std::uint64_t file_bytes);

} // namespace qcow2_dedup

#endif
