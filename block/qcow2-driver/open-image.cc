// Opening: header, features, repair after an unclean end, deduplication, backing file.
#include "block/qcow2-driver/open-image.h"

#include "block/qcow2-dedup/table/data-figures.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/table-check.h"
#include "block/qcow2-dedup/table/witness.h"
#include "block/qcow2/check/check.h"

#include <glib.h>

namespace qcow2_driver {

using block::Error;
using block::ErrorKind;
using block::HostOffset;
using block::Node;
using block::Options;
using qcow2::bit;
using qcow2::Header;
using qcow2_dedup::decode_extension;
using qcow2_dedup::dedup_feature_mask;
using qcow2_dedup::DedupSettings;
using qcow2_dedup::extension_magic;
using qcow2_dedup::in_use;
using qcow2_dedup::table_is_current;
using qcow2_dedup::TableCheck;

namespace {

constexpr std::uint64_t l2_bytes_at_once = 64 * 1024;

struct OpenOptions {
  qcow2::ImageSettings image;
  DedupSettings dedup;
  std::uint64_t scan_rate = 0;
};

Result<OpenOptions> take_options(Options& options, const Node& node) {
  OpenOptions taken;
  BLOCK_TRY_ASSIGN(taken.image.l2_cache_bytes,
                   options.take_size("l2-cache-size", taken.image.l2_cache_bytes));
  BLOCK_TRY_ASSIGN(taken.image.refcount_cache_bytes,
                   options.take_size("refcount-cache-size", taken.image.refcount_cache_bytes));
  qcow2::ReturnedSpace& returned = taken.image.returned_space;
  BLOCK_TRY_ASSIGN(returned.of_requests, options.take_bool("pass-discard-request", node.unmaps()));
  BLOCK_TRY_ASSIGN(returned.of_others, options.take_bool("pass-discard-other", node.unmaps()));
  BLOCK_TRY_ASSIGN(taken.dedup.cache_bytes,
                   options.take_size("dedup-cache-size", taken.dedup.cache_bytes));
  BLOCK_TRY_ASSIGN(taken.dedup.index_bytes, options.take_size("dedup-index-size", 0));
  BLOCK_TRY_ASSIGN(taken.scan_rate, options.take_size("dedup-scan-rate", 0));
  BLOCK_TRY_ASSIGN(taken.dedup.verify, options.take_bool("dedup-verify", false));
  taken.dedup.detect_zeroes = node.detect_zeroes() != block::DetectZeroes::off;
  return taken;
}

// An extension that this build cannot use does not matter to a reader, and check handles it itself.
// A writer must refuse it, because it would make the table wrong.
Result<std::optional<Extension>> find_extension(const Header& header, bool writable) {
  const qcow2::Extension* found = header.find_extension(extension_magic);
  if (!found) return std::optional<Extension>();
  Result<Extension> extension = decode_extension(found->data, header.cluster_size());
  if (extension) {
    Result<void> usable = dedup::check_usable(extension->algorithm);
    if (usable || !writable) return std::optional(*extension); // a reader hashes nothing
    extension = std::move(usable).error();
  }
  if (!writable) return std::optional<Extension>();
  return std::move(extension)
      .error()
      .context("deduplication")
      .with_hint("The image can still be opened read-only.");
}

// Counts the data once, in an image whose data no program has counted so far, for example one that
// is deduplicated since an amend. Damage of the image is not reported here.
Result<void> count_data(OpenImage& state) {
  if (!state.extension || state.extension->data) return {};
  TableCheck table(state.host_file, state.header, *state.extension);
  Result<block::CheckReport> report = qcow2::check(state.host_file, state.header, {}, &table);
  if (!report) return {};
  state.extension->data = table.data_clusters(*report);
  return store_header(state.host_file, state.header, state.extension);
}

// Gives up a table whose pointers may lead to guest data by now. A check decides whether its
// clusters are leaks.
void abandon_table(Extension& extension) {
  extension.table_offset = HostOffset();
  extension.table_entries = 0;
  extension.set(in_use, false);
  extension.set_scan_mark(0);
  clear_witness(extension);
  extension.data.reset();
}

// Makes the file writable: metadata consistent, and no feature bit set that does not apply.
Result<void> prepare_for_writing(Node& node, OpenImage& state, bool lost_tail) {
  Header& header = state.header;
  if (header.corrupt())
    return Error(ErrorKind::corrupt, "Image is corrupt; cannot be opened read/write")
        .with_hint("Run 'dedup-img check -r all' on it, or open it read-only.");
  const bool is_current = !state.extension || table_is_current(header);
  const bool closed_cleanly = !header.dirty() && is_current;
  if (!is_current) {
    abandon_table(*state.extension);
    state.extension->lost_from = 0;
  } else if (state.extension && closed_cleanly && !lost_tail &&
             !tables_are_as_recorded(state.host_file, header, *state.extension)) {
    abandon_table(*state.extension);
    node.emit(
        block::NodeEvent::warning,
        "the image is not as it was closed: another program changed it, or it is damaged. Its "
        "dedup table is given up and made anew; 'dedup-img check -r leaks' frees its space");
  }
  // The last process may have ended because a flush failed. Metadata that is rebuilt from the page
  // cache must not depend on tables that never reached the disk.
  if (!closed_cleanly) BLOCK_TRY(state.host_file.begin_restoring_lost_writes());
  header.autoclear_features &= state.extension ? dedup_feature_mask : 0;
  BLOCK_TRY(store_header(state.host_file, header, state.extension));
  if (closed_cleanly) return count_data(state);

  std::optional<TableCheck> table;
  if (state.extension) {
    table.emplace(state.host_file, header, *state.extension);
    table->keep_losses();
  }
  qcow2::ReportLine tell;
  if (header.dirty())
    tell = [&node](const std::string& line) { node.emit(block::NodeEvent::warning, line); };
  BLOCK_TRY_ASSIGN(
      block::CheckReport report,
      qcow2::repair_after_crash(state.host_file, header, table ? &*table : nullptr, tell));
  if (report.corruptions > 0)
    return Error(ErrorKind::corrupt,
                 "the image was not closed cleanly and cannot be repaired by itself")
        .with_hint("Run 'dedup-img check' on it to see what is wrong; it can be opened read-only.");
  state.mapping_incomplete = report.check_errors > 0;
  if (table) state.extension = table->extension();
  return store_header(state.host_file, header, state.extension);
}

Result<void> open_backing(Node& node, const Header& header) {
  if (header.backing_file.empty() || !node.follow_image_backing()) return {};
  return node.open_backing(header.backing_file, header.backing_format());
}

// Handles a file that ends before the last cluster that was in use at the last clean end. Lost data
// reads as zeros from now on, as with QEMU. The file gets its length back, as far as the refcounts
// reach, so that every cluster that an L2 entry names is in the file. Before that, the header
// records the loss, so that no later program treats the zeros as stored data. Lost metadata cannot
// be replaced: error corrupt.
Result<void> accept_lost_tail(OpenImage& state, HostOffset file_end) {
  Extension& extension = *state.extension;
  auto metadata = state.image->lock();
  block::ClusterSize size = metadata->cluster_size();
  if (size.start(metadata->allocator().metadata().end()) > file_end)
    return Error(ErrorKind::corrupt, "part of the metadata was at the lost end of the image file")
        .with_hint("It can still be opened read-only.");
  BLOCK_TRY_ASSIGN(block::HostCluster used_end, metadata->refcounts().used_end());
  extension.set(in_use, true);
  extension.note_lost(file_end.value());
  enter_extension(metadata->mutable_header(), extension);
  BLOCK_TRY(metadata->store_header());
  return state.host_file.extend(std::min(HostOffset(extension.file_end), size.start(used_end)));
}

// `unclean`: the last writes may lack entries in the table, so the scan starts from the beginning.
Result<void> start_dedup(Node& node, OpenImage& state, const DedupSettings& settings,
                         std::uint64_t scan_rate, bool unclean) {
  BLOCK_TRY_ASSIGN(dedup::Hasher hasher, dedup::Hasher::create(state.extension->algorithm));
  // The bit is set from the first change to the clean end.
  bool trusted = !state.extension->has(in_use);
  std::optional<std::uint64_t> scan_from = state.extension->scan_mark();
  state.dedup = std::make_unique<Deduplicator>(
      *state.image, state.disk->root, *state.extension, hasher, settings, trusted,
      [&node](const std::string& what) { node.emit(block::NodeEvent::warning, what); });
  state.extension.reset();
  const bool loaded = state.dedup->load();
  if (unclean || !loaded) scan_from = 0;
  state.image->set_feature(state.dedup.get());
  state.scan =
      std::make_unique<BackgroundScan>(node, *state.dedup, *state.disk, scan_from, scan_rate);
  state.index_loader =
      std::make_unique<IndexLoader>(*state.dedup, [&node, scan = state.scan.get()] {
        scan->begin();
        node.emit(block::NodeEvent::dedup_changed);
      });
  return {};
}

} // namespace

Header OpenImage::current_header() {
  if (!image) return header;
  return image->lock()->header();
}

std::optional<Extension> OpenImage::current_extension() {
  return dedup ? dedup->extension(scan ? scan->mark() : std::nullopt) : extension;
}

bool OpenImage::file_is_as_closed() {
  if (!image) return false;
  const Header now = current_header();
  return !now.dirty() && table_is_current(now) &&
         missing_bytes(*extension, host_file.end().value()) == 0 &&
         tables_are_as_recorded(host_file, now, *extension);
}

std::optional<block::DataFigures> OpenImage::data_figures() {
  if (!extension->data) return std::nullopt;
  const block::ClusterSize size = image->cluster_size();
  dedup::Counters counters;
  qcow2_dedup::DedupTable table(host_file, size, 0, counters, {}, {});
  if (!table.load(*extension)) return std::nullopt;
  return qcow2_dedup::data_figures(*extension->data, size,
                                   size.clusters_for(host_file.end().value()),
                                   image->lock()->clusters() + table.clusters());
}

Result<void> open(Node& node, Options& options) {
  BLOCK_TRY_ASSIGN(OpenOptions taken, take_options(options, node));
  block::Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", options, access));
  // Before the image is prepared for writing.
  BLOCK_TRY(options.expect_empty("Block format 'qcow2'"));
  const bool writable = !node.read_only(); // auto-read-only: opening the file may have changed it
  BLOCK_TRY_ASSIGN(std::uint64_t length, node.file()->co_get_length());
  auto state = std::make_shared<OpenImage>(*node.file());
  BLOCK_TRY_ASSIGN(state->header, qcow2::read_header(state->host_file));
  // Without the extension the bit belongs to another program.
  const bool deduplicated = state->header.find_extension(extension_magic) != nullptr;
  BLOCK_TRY(qcow2::check_supported(state->header, deduplicated ? dedup_feature_mask : 0));
  BLOCK_TRY(qcow2::check_l1_place(state->header, length));
  if (writable && !node.for_check())
    BLOCK_TRY(qcow2::check_refcount_table_place(state->header, length));
  BLOCK_TRY_ASSIGN(state->extension, find_extension(state->header, writable && !node.for_check()));
  BLOCK_TRY(open_backing(node, state->header));
  node.limits().opt_transfer = static_cast<std::uint32_t>(state->header.cluster_size().bytes());
  if (node.for_check()) {
    node.set_state(std::move(state));
    return {};
  }

  const bool crashed = state->header.dirty();
  // If the table is not current, its witness does not apply. After a crash the repair handles the
  // loss.
  const bool lost_tail = state->extension && table_is_current(state->header) && !crashed &&
                         missing_bytes(*state->extension, length) > 0;
  if (lost_tail)
    node.emit(block::NodeEvent::warning,
              "the image file has lost its end: " +
                  std::to_string(missing_bytes(*state->extension, length)) +
                  " bytes are missing, and the data that was there is lost");
  if (writable) BLOCK_TRY(prepare_for_writing(node, *state, lost_tail));
  // Deduplication always uses lazy refcounts: it changes COPIED and refcounts of clusters all over
  // the image. The dirty bit makes the next opener after a crash rebuild both.
  taken.image.lazy_refcounts = state->header.lazy_refcounts() || state->extension;
  // Small clusters have small L2 tables, each of which would cost a request of its own.
  if (state->extension)
    taken.image.l2_tables_at_once =
        std::max<std::size_t>(1, l2_bytes_at_once / state->header.cluster_size().bytes());
  // The last repair could not do everything.
  const bool repair_is_due = writable && state->header.dirty();
  state->image =
      std::make_unique<qcow2::Image>(state->host_file, std::move(state->header), taken.image);
  {
    auto metadata = state->image->lock();
    BLOCK_TRY(metadata->load_header());
    if (Result<void> counted = metadata->load_refcounts(); !counted && writable)
      return std::move(counted).error().with_hint(
          "Run 'dedup-img check -r all' on the image; it can still be opened read-only.");
    qcow2::Root& root = metadata->add_root(std::make_unique<qcow2::HeaderRoot>(metadata));
    state->disk = std::make_unique<qcow2::Disk>(*state->image, root, node);
  }
  BLOCK_TRY(state->disk->load());
  if (writable) {
    if (state->mapping_incomplete) {
      state->image->lock()->keep_unknown_clusters();
      node.emit(block::NodeEvent::warning,
                "the image was not closed cleanly, and not every L2 table can be read or repaired; "
                "until that is possible no space in it is used again");
    }
    if (repair_is_due) state->image->lock()->leave_dirty();
    BLOCK_TRY(state->image->lock()->enter_all());
    if (lost_tail) BLOCK_TRY(accept_lost_tail(*state, HostOffset(length)));
    if (state->extension)
      BLOCK_TRY(start_dedup(node, *state, taken.dedup, taken.scan_rate, crashed || lost_tail));
  }
  IndexLoader* loader = state->index_loader.get();
  node.set_state(std::move(state));
  // Last, because it starts the scan, which may report an error of the image to the node at once.
  if (loader) loader->start();
  return {};
}

} // namespace qcow2_driver
