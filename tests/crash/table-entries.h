// Reads a dedup table by the format's document, sharing no code with the driver.
#ifndef TESTS_CRASH_TABLE_ENTRIES_H
#define TESTS_CRASH_TABLE_ENTRIES_H

#include "tests/crash/recording.h"

namespace crash {

// Whether the header asks the next opener to trust the table: a bit 63 is set, and neither "in use"
// nor "dirty" is.
bool says_table_is_trusted(const Bytes& image);

// Whether the L1 table or the refcount table is another one, which the witness of the format
// notices.
bool tables_differ(const Bytes& a, const Bytes& b);

// The host clusters that have an entry in the table, ascending.
std::vector<std::uint64_t> clusters_with_entry(const Bytes& image);

} // namespace crash

#endif
