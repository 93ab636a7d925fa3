// Creation options: those of the format, then those of deduplication.
#include "block/qcow2-driver/create.h"

#include "block/qcow2-dedup/feature.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/create.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace qcow2_driver {

using block::CreateOption;
using block::Error;
using block::ErrorKind;
using block::Options;
using block::Result;
using qcow2::Header;
using qcow2_dedup::add_dedup;
using qcow2_dedup::autoclear_feature_name;
using qcow2_dedup::dedup_feature_bit;
using qcow2_dedup::incompatible_feature_name;

namespace {

constexpr char default_cluster_size[] = "65536";

Error invalid(std::string message) {
  return Error(ErrorKind::invalid_argument, std::move(message));
}

Result<unsigned> take_cluster_bits(Options& options) {
  BLOCK_TRY_ASSIGN(std::uint64_t bytes, options.take_size("cluster_size", 0));
  if (!std::has_single_bit(bytes) || bytes < qcow2::bit(qcow2::min_cluster_bits) ||
      bytes > qcow2::bit(qcow2::max_cluster_bits))
    return invalid("Cluster size must be a power of two between 512 and 2048k");
  return static_cast<unsigned>(std::countr_zero(bytes));
}

Result<unsigned> take_refcount_order(Options& options) {
  BLOCK_TRY_ASSIGN(std::uint64_t bits, options.take_number("refcount_bits", 16));
  if (!std::has_single_bit(bits) || bits > 64)
    return invalid("Refcount width must be a power of two and may not exceed 64 bits");
  return static_cast<unsigned>(std::countr_zero(bits));
}

// Takes an option that is defined, but for which only one value is implemented.
Result<void> take_fixed(Options& options, const char* key, const char* only) {
  std::optional<std::string> value = options.take(key);
  if (!value || *value == only) return {};
  return Error(ErrorKind::unsupported, "Option '" + std::string(key) + "=" + *value +
                                           "' is not supported yet; only '" + only + "' is");
}

Result<void> take_compat(Options& options, bool dedup) {
  std::optional<std::string> compat = options.take("compat");
  if (!compat || *compat == "1.1" || *compat == "v3") return {};
  if (*compat != "0.10" && *compat != "v2")
    return invalid("Invalid parameter '" + *compat + "' for option 'compat'");
  return Error(ErrorKind::unsupported,
               dedup ? "Deduplication needs qcow2 version 3 (use compat=1.1)"
                     : "Images of qcow2 version 2 (compat=0.10) are not supported; use compat=1.1");
}

void add_feature_names(Header& header, bool dedup) {
  std::vector<qcow2::FeatureName> names = qcow2::standard_feature_names();
  if (dedup) {
    names.push_back({qcow2::FeatureKind::autoclear, dedup_feature_bit, autoclear_feature_name});
    names.push_back(
        {qcow2::FeatureKind::incompatible, dedup_feature_bit, incompatible_feature_name});
  }
  Header with_names = header;
  with_names.set_extension(qcow2::extension::feature_names, qcow2::encode_feature_names(names));
  // The names only improve error messages; a cluster of 512 bytes may have no room for them.
  if (with_names.encode()) header = std::move(with_names);
}

} // namespace

const std::vector<CreateOption>& create_options() {
  using enum CreateOption::Type;
  static const std::vector<CreateOption> options = [] {
    std::vector<CreateOption> all = {
        {"cluster_size", size, "Bytes of a cluster, 512 to 2M (default 64k, with dedup 4k)",
         default_cluster_size},
        {"extended_l2", boolean, "Extended L2 entries (only off)", "off"},
        {"preallocation", text, "Preallocation mode (only off)", ""},
        {"compression_type", text, "Compression method of compressed clusters (only zlib)", "zlib"},
        {"size", size, "Virtual disk size in bytes", ""},
        {"compat", text, "Format version (only 1.1)", ""},
        {"backing_file", text, "File name of a backing image", ""},
        {"backing_fmt", text, "Format of the backing image", ""},
        {"lazy_refcounts", boolean, "Postpone refcount updates to a clean close", "off"},
        {"refcount_bits", number, "Width of a refcount in bits, 1 to 64", "16"},
    };
    std::ranges::copy(qcow2_dedup::feature_options(), std::back_inserter(all));
    return all;
  }();
  return options;
}

void choose_create_defaults(Options& options) {
  auto dedup = options.entries().find("dedup");
  bool on = dedup != options.entries().end() && dedup->second != "off";
  options.set_default("cluster_size",
                      on ? qcow2_dedup::default_cluster_size : default_cluster_size);
}

namespace {

// Returns the header of the image that the options describe.
Result<Header> take_create_options(Options& options) {
  choose_create_defaults(options);
  Header header;
  std::string algorithm = options.take("dedup").value_or("off");
  bool dedup = algorithm != "off";
  BLOCK_TRY_ASSIGN(bool exclusive, options.take_bool("dedup_exclusive", false));
  if (exclusive && !dedup) return invalid("Option 'dedup_exclusive' needs 'dedup'");
  BLOCK_TRY(take_compat(options, dedup));
  BLOCK_TRY_ASSIGN(header.cluster_bits, take_cluster_bits(options));
  BLOCK_TRY_ASSIGN(header.refcount_order, take_refcount_order(options));
  BLOCK_TRY_ASSIGN(header.guest_size, options.take_size("size", 0));
  BLOCK_TRY_ASSIGN(bool lazy_refcounts, options.take_bool("lazy_refcounts", false));
  BLOCK_TRY(take_fixed(options, "extended_l2", "off"));
  BLOCK_TRY(take_fixed(options, "preallocation", "off"));
  BLOCK_TRY(take_fixed(options, "compression_type", "zlib"));
  header.backing_file = options.take("backing_file").value_or("");
  std::optional<std::string> backing_format = options.take("backing_fmt");
  if (backing_format && header.backing_file.empty())
    return invalid("Backing format cannot be used without backing file");
  if (header.backing_file.size() > qcow2::max_backing_name)
    return invalid("Backing file name is longer than 1023 bytes");
  if (qcow2::l1_entries_for(header.guest_size, header.cluster_size()) * qcow2::table_entry_bytes >
      qcow2::max_l1_bytes)
    return Error(ErrorKind::invalid_argument, EFBIG,
                 "The image size is too large for file format 'qcow2' (try using a larger cluster "
                 "size)");
  if (lazy_refcounts)
    header.compatible_features |= qcow2::bit(qcow2::compatible::lazy_refcounts_bit);

  if (dedup) BLOCK_TRY(add_dedup(header, algorithm, exclusive, std::nullopt));
  if (backing_format) {
    const auto* name = reinterpret_cast<const std::byte*>(backing_format->data());
    header.set_extension(qcow2::extension::backing_format, {name, name + backing_format->size()});
  }
  add_feature_names(header, dedup);
  // Fails here if a name leaves no room for the rest.
  BLOCK_TRY(header.encode());
  return header;
}

} // namespace

Result<void> check_create_options(Options& options) {
  BLOCK_TRY(take_create_options(options));
  return {};
}

Result<void> create(block::Node& file, Options& options) {
  BLOCK_TRY_ASSIGN(Header header, take_create_options(options));
  return qcow2::create_empty(file, std::move(header));
}

} // namespace qcow2_driver
