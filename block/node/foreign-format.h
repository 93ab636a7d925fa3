// Image formats without a driver here, which are recognised so that their bytes are not served as a
// raw disk.
#ifndef BLOCK_NODE_FOREIGN_FORMAT_H
#define BLOCK_NODE_FOREIGN_FORMAT_H

#include <cstddef>
#include <span>
#include <string>

namespace block {

// Returns the name that stock QEMU gives to the format of a file with these first bytes and this
// name (empty: not known). Empty if they match none of the formats without a driver here. The rules
// are those by which stock QEMU probes.
std::string foreign_format(std::span<const std::byte> head, const std::string& filename);

} // namespace block

#endif
