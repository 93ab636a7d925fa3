// Deduplication as a feature of an image: the options that ask for it, and its marks in the header.
#ifndef BLOCK_QCOW2_DEDUP_FEATURE_H
#define BLOCK_QCOW2_DEDUP_FEATURE_H

#include "block/dedup/fingerprint.h"
#include "block/driver.h"
#include "block/qcow2/header.h"

#include <optional>

namespace qcow2_dedup {

// What deduplication adds to the options of `create -o` and `amend -o`.
const std::vector<block::CreateOption>& feature_options();
// On images of real machines, 4 KiB clusters find four times the duplicates of 64 KiB clusters.
inline constexpr char default_cluster_size[] = "4096";

// The hash that a value of option "dedup" other than "off" names. Errors: invalid_argument.
block::Result<dedup::HashAlgorithm> algorithm_for_option(const std::string& value);
// Puts the extension first, with the feature bit. `scan_from`: the guest cluster from which on
// there is content to look at. Errors: invalid_argument, unsupported (the algorithm).
block::Result<void> add_dedup(qcow2::Header& header, const std::string& algorithm_name,
                              bool exclusive, std::optional<std::uint64_t> scan_from);
// Takes both away: the header of a plain image.
void remove_dedup(qcow2::Header& header);

} // namespace qcow2_dedup

#endif
