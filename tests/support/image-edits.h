// Changes the dedup extension of an image that no node has open.
#ifndef TESTS_SUPPORT_IMAGE_EDITS_H
#define TESTS_SUPPORT_IMAGE_EDITS_H

#include "block/qcow2-dedup/table/extension.h"

#include <cstddef>
#include <vector>

namespace block {

// Stores the extension in the header of a deduplicated image.
void store_dedup_extension(std::vector<std::byte>& image, const qcow2_dedup::Extension& extension);

// Records the digest of the present tables of a deduplicated image, as a clean close does. A writer
// then accepts tables that a test has changed. Has no effect on any other content.
void record_tables_digest(std::vector<std::byte>& image);

} // namespace block

#endif
