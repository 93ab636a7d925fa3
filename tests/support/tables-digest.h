// Images of which no clean end recorded the tables.
#ifndef TESTS_SUPPORT_TABLES_DIGEST_H
#define TESTS_SUPPORT_TABLES_DIGEST_H

#include <cstddef>
#include <vector>

namespace block {

// Removes the tables digest from a dedup image's header extension. A writer then believes what a
// test changes in the tables, as it believes a forger who records the digest of what he made.
void forget_tables_digest(std::vector<std::byte>& image);

} // namespace block

#endif
