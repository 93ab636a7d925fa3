// The digest that vouches for an image's tables.
#ifndef TESTS_SUPPORT_TABLES_DIGEST_H
#define TESTS_SUPPORT_TABLES_DIGEST_H

#include <cstddef>
#include <vector>

namespace block {

// Records the tables that a dedup image has now in its header extension, as a clean end does. So a
// writer believes what a test has changed in them, as it believes a forger. Any other content is
// left as it is.
void record_tables_digest(std::vector<std::byte>& image);

} // namespace block

#endif
