// Deduplication in the header: adds it, and removes it.
#include "block/qcow2-dedup/feature.h"

#include "block/qcow2-dedup/table/extension.h"

namespace qcow2_dedup {

using block::CreateOption;
using block::Error;
using block::Result;
using qcow2::Header;

const std::vector<CreateOption>& feature_options() {
  using enum CreateOption::Type;
  static const std::vector<CreateOption> options = {
      {"dedup", text,
       "Store equal clusters once, by this hash (on = sha256, sha3-256, skein, blake2b, xxh3-128, "
       "off)",
       ""},
      {"dedup_exclusive", boolean, "Refuse programs that do not know deduplication", ""},
  };
  return options;
}

Result<dedup::HashAlgorithm> algorithm_for_option(const std::string& value) {
  if (value == "on") return dedup::HashAlgorithm::sha256;
  Result<dedup::HashAlgorithm> algorithm = dedup::algorithm_named(value);
  if (algorithm) return algorithm;
  std::string hint =
      algorithm.error().hint() + " on means sha256, off means without deduplication.";
  return std::move(algorithm).error().context("Option 'dedup'").with_hint(std::move(hint));
}

Result<void> add_dedup(Header& header, const std::string& algorithm_name, bool exclusive,
                       std::optional<std::uint64_t> scan_from) {
  Extension extension;
  BLOCK_TRY_ASSIGN(extension.algorithm, algorithm_for_option(algorithm_name));
  BLOCK_TRY(dedup::check_usable(extension.algorithm));
  extension.set_scan_mark(scan_from);
  if (!scan_from) extension.data = DataClusters(); // a new image has no data
  auto bytes = encode_extension(extension);
  // In the file's first sector, so that one sector write changes it atomically.
  header.extensions.insert(header.extensions.begin(),
                           {extension_magic, {bytes.begin(), bytes.end()}});
  (exclusive ? header.incompatible_features : header.autoclear_features) |= dedup_feature_mask;
  return {};
}

void remove_dedup(Header& header) {
  header.remove_extension(extension_magic);
  header.autoclear_features &= ~dedup_feature_mask;
  header.incompatible_features &= ~dedup_feature_mask;
}

} // namespace qcow2_dedup
