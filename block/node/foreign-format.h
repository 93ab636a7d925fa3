// Image formats of other programs, which are recognised so that their bytes are not taken for a raw
// disk.
#ifndef BLOCK_NODE_FOREIGN_FORMAT_H
#define BLOCK_NODE_FOREIGN_FORMAT_H

#include <cstddef>
#include <span>
#include <string>

namespace block {

// The name that stock QEMU gives to the format of a file with these first bytes and this name
// (empty: not known). Empty if they show none of the formats that have no driver here. The rules
// are those by which stock QEMU probes.
std::string foreign_format(std::span<const std::byte> head, const std::string& filename);

} // namespace block

#endif
