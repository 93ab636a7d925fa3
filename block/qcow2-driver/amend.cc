// amend: one write of the header, which must be safe to tear, adds or removes the extension and the
// feature bit. The table's clusters are freed only after that.
#include "block/qcow2-driver/amend.h"

#include "block/node.h"
#include "block/qcow2-dedup/feature.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-driver/open-image.h"
#include "block/sector.h"

#include <algorithm>

namespace qcow2_driver {

using block::Error;
using block::ErrorKind;
using block::HostOffset;
using qcow2::Header;
using qcow2_dedup::add_dedup;
using qcow2_dedup::algorithm_for_option;
using qcow2_dedup::decode_extension;
using qcow2_dedup::extension_magic;
using qcow2_dedup::is_exclusive;
using qcow2_dedup::remove_dedup;

namespace {

using block::sector_bytes;

bool same_backing(const Header& a, const Header& b) {
  return a.backing_file == b.backing_file && a.backing_format() == b.backing_format();
}

// Returns whether every mixture of old and new sectors that a power cut may leave is a header of
// the same image. Only feature names may be torn.
bool safe_to_tear(std::span<const std::byte> stored, std::span<const std::byte> bytes,
                  const Header& wanted) {
  std::vector<std::size_t> changed;
  for (std::size_t at = 0; at < bytes.size(); at += sector_bytes)
    if (!std::ranges::equal(stored.subspan(at, sector_bytes), bytes.subspan(at, sector_bytes)))
      changed.push_back(at);
  constexpr std::size_t most_sectors = 8;
  if (changed.size() > most_sectors) return false;
  for (unsigned written = 1; written < 1u << changed.size(); ++written) {
    std::vector<std::byte> mixture(stored.begin(), stored.end());
    for (std::size_t i = 0; i < changed.size(); ++i)
      if ((written >> i & 1) != 0)
        std::ranges::copy(bytes.subspan(changed[i], sector_bytes), mixture.begin() + changed[i]);
    Result<Header> torn = qcow2::decode_header(mixture);
    if (!torn || !same_backing(*torn, wanted)) return false;
    const qcow2::Extension* found = torn->find_extension(extension_magic);
    if (found && !decode_extension(found->data, torn->cluster_size())) return false;
  }
  return true;
}

// The names of features only improve error messages. They are dropped if everything that matters
// fits into the first sector only without them.
Result<void> change_header(qcow2::Metadata& metadata, Header wanted) {
  std::vector<std::byte> stored(metadata.cluster_size().bytes());
  BLOCK_TRY(metadata.file().read(HostOffset(0), std::span(stored)));
  BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, wanted.encode_over(stored));
  if (!safe_to_tear(stored, bytes, wanted)) {
    wanted.remove_extension(qcow2::extension::feature_names);
    BLOCK_TRY_ASSIGN(bytes, wanted.encode_over(stored));
  }
  if (!safe_to_tear(stored, bytes, wanted))
    return Error(ErrorKind::unsupported,
                 "the image header is too long to be changed safely, because of the backing file's "
                 "name")
        .with_hint("Make a new image with dedup-img convert.");
  return metadata.store_header(std::move(wanted));
}

Result<void> switch_on(OpenImage& state, const std::string& algorithm_name, bool exclusive) {
  auto metadata = state.image->lock();
  Header wanted = metadata->header();
  BLOCK_TRY(add_dedup(wanted, algorithm_name, exclusive, 0));
  return change_header(metadata, std::move(wanted));
}

Result<void> switch_off(OpenImage& state) {
  state.index_loader.reset();
  (void)state.scan->stop();
  BLOCK_TRY(state.image->begin_change());
  {
    auto metadata = state.image->lock();
    Header wanted = metadata->header();
    remove_dedup(wanted);
    BLOCK_TRY(change_header(metadata, std::move(wanted)));
  }
  state.image->set_feature(nullptr);
  auto metadata = state.image->lock();
  block::ClusterSize size = metadata->cluster_size();
  for (auto [offset, bytes] : state.dedup->table(metadata).places())
    BLOCK_TRY(
        metadata->allocator().drop_references(size.containing(offset), size.clusters_for(bytes)));
  return {};
}

} // namespace

Result<void> amend(block::Node& node, block::Options& options) {
  OpenImage& state = node.state<OpenImage>();
  std::optional<std::string> algorithm = options.take("dedup");
  const bool exclusive_given = options.contains("dedup_exclusive");
  BLOCK_TRY_ASSIGN(bool exclusive, options.take_bool("dedup_exclusive", false));
  if (!algorithm) return Error(ErrorKind::invalid_argument, "Option 'dedup' is not given");
  if (*algorithm == "off") {
    if (exclusive)
      return Error(ErrorKind::invalid_argument, "Option 'dedup_exclusive' needs 'dedup'");
    if (!state.dedup) return {};
    BLOCK_TRY(switch_off(state));
    state.scan.reset();
    state.dedup.reset();
    return {};
  }
  std::optional<Extension> extension = state.current_extension();
  if (!extension) return switch_on(state, *algorithm, exclusive);
  const std::string present = dedup::name_of(extension->algorithm);
  BLOCK_TRY_ASSIGN(dedup::HashAlgorithm wanted, algorithm_for_option(*algorithm));
  const bool was_exclusive = is_exclusive(state.current_header());
  const bool as_exclusive = !exclusive_given || exclusive == was_exclusive;
  if (wanted == extension->algorithm && as_exclusive) return {};
  return Error(ErrorKind::invalid_argument, "the image is deduplicated by " + present +
                                                (was_exclusive ? ", exclusively," : "") +
                                                " already")
      .with_hint("Switch it off first: amend -o dedup=off.");
}

} // namespace qcow2_driver
