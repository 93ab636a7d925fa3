// The header of an image that is not open yet, with its deduplication extension.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_STORED_HEADER_H
#define BLOCK_QCOW2_DEDUP_TABLE_STORED_HEADER_H

#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"

namespace qcow2_dedup {

void enter_extension(qcow2::Header& header, const Extension& extension);

// Enters the extension, if there is one, in the header, and stores the header durably if it has
// changed. While an Image is open, Metadata::store_header() does that.
block::Result<void> store_header(qcow2::HostFile& file, qcow2::Header& header,
                                 const std::optional<Extension>& extension);

// Returns false if another program without support for deduplication has written to the image. It
// cleared the autoclear bit, and may have freed the table's clusters as leaks and used them for
// something else.
bool table_is_current(const qcow2::Header& header);

// Returns whether programs without support for deduplication refuse the image.
bool is_exclusive(const qcow2::Header& header);

} // namespace qcow2_dedup

#endif
