// Returns the unused space of an image's file to the host. The image is not in use.
#ifndef BLOCK_QCOW2_TRIM_H
#define BLOCK_QCOW2_TRIM_H

#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"

namespace qcow2 {

// Punches holes where the refcounts call clusters free, and cuts the file off behind the last one
// in use. Returns how many bytes were free in the file, holes or not. The caller has asked
// refcounts_suffice(); leaked clusters stay. Errors: those of the file.
Result<std::uint64_t> trim(HostFile& file, const Header& header);

} // namespace qcow2

#endif
