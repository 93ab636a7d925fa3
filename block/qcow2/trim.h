// Returns the unused space of an image's file to the host. The image must not be in use.
#ifndef BLOCK_QCOW2_TRIM_H
#define BLOCK_QCOW2_TRIM_H

#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"

namespace qcow2 {

// Punches holes where the refcount is 0, and cuts the file off after the last cluster in use.
// Returns how many bytes were free in the file, holes included. The caller must have checked
// refcounts_suffice(). Leaked clusters stay. Errors: those of the file.
Result<std::uint64_t> trim(HostFile& file, const Header& header);

} // namespace qcow2

#endif
