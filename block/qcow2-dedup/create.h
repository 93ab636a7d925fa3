// What `create -o` takes for a qcow2 image, and making one from it.
#ifndef BLOCK_QCOW2_DEDUP_CREATE_H
#define BLOCK_QCOW2_DEDUP_CREATE_H

#include "block/dedup/fingerprint.h"
#include "block/node.h"
#include "block/qcow2/header.h"

#include <optional>

namespace qcow2_dedup {

// For the BlockDriver table; contracts there.
const std::vector<block::CreateOption>& create_options();
void choose_create_defaults(block::Options& options);
block::Result<void> check_create_options(block::Options& options);
block::Result<void> create(block::Node& file, block::Options& options);

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
