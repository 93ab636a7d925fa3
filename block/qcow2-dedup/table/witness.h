// Witness: facts about the file that a clean end records, so that the next program detects a file
// that differs from the closed one.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_WITNESS_H
#define BLOCK_QCOW2_DEDUP_TABLE_WITNESS_H

#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/metadata.h"

namespace qcow2_dedup {

// Enters file_end and tables_digest for the present file, or zeros for facts that cannot be
// determined. Everything of the image must have been written.
void record_witness(qcow2::Metadata& metadata, Extension& extension);
// Enters only tables_digest. The image must not be open for writing.
void record_tables(qcow2::HostFile& file, const qcow2::Header& header, Extension& extension);
// Removes the recorded facts.
void clear_witness(Extension& extension);

// Returns how many bytes of those in use at the last clean end are missing from the file. The
// extension must be that of a current table; the witness of any other does not apply.
std::uint64_t missing_bytes(const Extension& extension, std::uint64_t file_bytes);

// Returns whether the tables that lead to all others are those of the last clean end, or there is
// no dedup table. If not, another program has changed the image, or it is damaged, and the dedup
// table may lead to guest data. Returns true if the tables cannot be read: the code that needs them
// reports the error. For an image that was closed cleanly.
bool tables_are_as_recorded(qcow2::HostFile& file, const qcow2::Header& header,
                            const Extension& extension);

} // namespace qcow2_dedup

#endif
