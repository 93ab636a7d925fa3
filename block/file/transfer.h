// Reading and writing a file in full: short transfers and interruptions are continued.
#ifndef BLOCK_FILE_TRANSFER_H
#define BLOCK_FILE_TRANSFER_H

#include "block/io-vector.h"
#include "block/result.h"

#include <cstdint>

namespace block {

// Fills the vector. Returns the number of bytes before the end of the file.
Result<std::uint64_t> read_fully(int descriptor, std::uint64_t offset, const IoVector& vector);

// `durable`: the data is on stable storage when the call returns.
Result<void> write_fully(int descriptor, std::uint64_t offset, const IoVector& vector,
                         bool durable);

} // namespace block

#endif
