// Witness: what a clean end says of the file, so that the next program notices a file that is not
// the one that was closed.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_WITNESS_H
#define BLOCK_QCOW2_DEDUP_TABLE_WITNESS_H

#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/disk.h"

namespace qcow2_dedup {

// Enters file_end and tables_digest for the file as it is, or zeros for what cannot be told. For an
// image of which everything has been written.
void record_witness(qcow2::Disk& disk, Extension& extension) REQUIRES(disk.image.metadata_mutex);
// Enters tables_digest alone, for an image that nobody has open for writing.
void record_tables(qcow2::HostFile& file, const qcow2::Header& header, Extension& extension);
// So that nothing is said of the file.
void clear_witness(Extension& extension);

// How many bytes of those that were in use at the last clean end the file lacks. For the extension
// of a table that is current; any other says nothing of the file.
std::uint64_t missing_bytes(const Extension& extension, std::uint64_t file_bytes);

// Whether the tables that lead to all others are those of the last clean end, or there is no dedup
// table. If not, another program has changed the image, or it is damaged, and the dedup table may
// lead to guest data. Tables that cannot be read are left to whoever needs them. For an image that
// was closed cleanly.
bool tables_are_as_recorded(qcow2::HostFile& file, const qcow2::Header& header,
                            const Extension& extension);

} // namespace qcow2_dedup

#endif
