// Deduplication as a feature of an image: its options, and its marks in the header.
#ifndef BLOCK_QCOW2_DEDUP_FEATURE_H
#define BLOCK_QCOW2_DEDUP_FEATURE_H

#include "block/dedup/fingerprint.h"
#include "block/driver.h"
#include "block/qcow2/header.h"

#include <optional>

namespace qcow2_dedup {

// The options that deduplication adds to `create -o` and `amend -o`.
const std::vector<block::CreateOption>& feature_options();
// docs/developer/decisions/cluster-size.md has the reason and the figures.
inline constexpr char default_cluster_size[] = "4096";

// Returns the hash algorithm for a value of option "dedup" other than "off". Errors:
// invalid_argument.
block::Result<dedup::HashAlgorithm> algorithm_for_option(const std::string& value);
// Inserts the extension before all others and sets the feature bit. `scan_from`: the guest cluster
// from which on there is content to scan. Errors: invalid_argument, unsupported (the algorithm).
block::Result<void> add_dedup(qcow2::Header& header, const std::string& algorithm_name,
                              bool exclusive, std::optional<std::uint64_t> scan_from);
// Removes extension and feature bit, which leaves the header of a plain image.
void remove_dedup(qcow2::Header& header);

} // namespace qcow2_dedup

#endif
