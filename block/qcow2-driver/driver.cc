// The BlockDriver table of qcow2: thin entries over the requests of qcow2/ and of deduplication.
#include "block/qcow2-driver/driver.h"

#include "block/qcow2-dedup/feature.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/write.h"
#include "block/qcow2-driver/amend.h"
#include "block/qcow2-driver/check-image.h"
#include "block/qcow2-driver/create.h"
#include "block/qcow2-driver/open-image.h"
#include "block/sector.h"

#include <algorithm>
#include <iterator>

namespace qcow2_driver {

using block::Error;
using block::ErrorKind;
using block::GuestOffset;
using block::InfoFields;
using block::IoVector;
using block::Node;
using qcow2_dedup::dedup_running;
using qcow2_dedup::in_use;
using qcow2_dedup::is_exclusive;
using qcow2_dedup::scan_pending;
using qcow2_dedup::table_is_current;

namespace {

int probe(std::span<const std::byte> head) {
  return qcow2::has_magic(head) && !qcow2::is_version_1(head) ? 100 : 0;
}

OpenImage& state_of(Node& node) {
  return node.state<OpenImage>();
}

Result<void> store_everything(OpenImage& state) {
  BLOCK_TRY(state.disk->settle_copied_flags());
  if (state.dedup && !state.dedup->status_is_stored()) BLOCK_TRY(state.image->begin_change());
  return state.image->close();
}

Result<void> close(Node& node) {
  OpenImage& state = state_of(node);
  state.index_loader.reset();
  if (state.scan) state.dedup->set_scan_mark(state.scan->stop());
  if (node.read_only() || !state.image) return {};
  BLOCK_TRY(store_everything(state));
  return state.host_file.release_reserved();
}

Result<std::uint64_t> co_get_length(Node& node) {
  OpenImage& state = state_of(node);
  return state.disk ? state.disk->guest_size() : state.header.guest_size;
}

Result<void> co_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  return qcow2::read(*state_of(node).disk, GuestOffset(offset), vector);
}

Result<void> co_flush(Node& node) {
  OpenImage& state = state_of(node);
  if (!state.image) return {};
  node.file()->debug_event(block::DebugEvent::flush_to_os);
  return state.image->flush();
}

Result<void> write(Node& node, std::uint64_t offset, const IoVector& vector) {
  OpenImage& state = state_of(node);
  if (state.dedup)
    return qcow2_dedup::write(*state.dedup, *state.disk, GuestOffset(offset), vector);
  if (node.detect_zeroes() > block::DetectZeroes::off && vector.is_zero())
    return qcow2::write_zeroes(*state.disk, GuestOffset(offset), vector.size(),
                               node.detect_zeroes() == block::DetectZeroes::unmap);
  return qcow2::write(*state.disk, GuestOffset(offset), vector);
}

Result<void> co_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                       block::WriteFlags flags) {
  BLOCK_TRY(write(node, offset, vector));
  return flags.fua ? co_flush(node) : Result<void>();
}

Result<void> co_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                              block::ZeroFlags flags) {
  OpenImage& state = state_of(node);
  // A cluster that stays allocated while it reads as zeros would keep its fingerprint, too.
  bool unmap = flags.may_unmap || state.dedup;
  BLOCK_TRY(qcow2::write_zeroes(*state.disk, GuestOffset(offset), bytes, unmap));
  return flags.fua ? co_flush(node) : Result<void>();
}

Result<void> co_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  return qcow2::discard(*state_of(node).disk, GuestOffset(offset), bytes);
}

Result<void> co_truncate(Node& node, std::uint64_t length, block::Preallocation preallocation) {
  if (length % block::sector_bytes != 0)
    return Error(ErrorKind::invalid_argument, "The new size must be a multiple of 512");
  if (preallocation != block::Preallocation::off)
    return Error(ErrorKind::unsupported, "Preallocation is not supported yet for qcow2 images");
  return state_of(node).disk->grow(length);
}

Result<block::BlockStatus> co_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  OpenImage& state = state_of(node);
  return qcow2::block_status(*state.disk, GuestOffset(offset), bytes, state.deduplicated());
}

bool mark_corrupt(Node& node) {
  OpenImage& state = state_of(node);
  return state.image && state.image->mark_corrupt(!node.read_only());
}

// Returns the facts of a deduplicated image.
block::DedupInfo dedup_info(OpenImage& state) {
  block::DedupInfo info;
  if (state.dedup) {
    info = state.dedup->info();
    state.scan->fill(info);
    return info;
  }
  // Read-only: nothing is counted or indexed; the remaining facts come from the file.
  const Extension& extension = *state.extension;
  info.status =
      extension.has(dedup_running) ? block::DedupStatus::running : block::DedupStatus::paused;
  info.algorithm = dedup::name_of(extension.algorithm);
  const bool as_closed = state.file_is_as_closed(); // hashes the tables
  info.table_trusted = !extension.has(in_use) && as_closed;
  info.cluster_size = state.current_header().cluster_size().bytes();
  if (as_closed) info.data = state.data_figures();
  return info;
}

InfoFields dedup_facts(OpenImage& state, const Extension& extension, const qcow2::Header& header) {
  const block::DedupInfo now = dedup_info(state);
  std::string algorithm = dedup::name_of(extension.algorithm);
  if (!dedup::is_known(extension.algorithm)) algorithm = "unknown (" + algorithm + ")";
  InfoFields facts = {
      {"algorithm", {algorithm}},
      {"exclusive", {is_exclusive(header)}},
      {"running", {extension.has(dedup_running)}},
      {"closed-cleanly", {!header.dirty()}},
      {"table-offset", {extension.table_offset.value()}},
      {"table-entries", {std::uint64_t{extension.table_entries}}},
      {"table-current", {table_is_current(header)}},
      {"table-trusted", {now.table_trusted}},
      {"scan-pending", {extension.has(scan_pending)}},
  };
  if (std::optional<std::uint64_t> cluster = extension.scan_mark()) {
    // The position in the file may be beyond the disk.
    std::uint64_t clusters = header.cluster_size().clusters_for(header.guest_size);
    facts.push_back({"scan-position", {std::min(*cluster, clusters) << header.cluster_bits}});
  }
  if (now.data) std::ranges::copy(now.data->fields(), std::back_inserter(facts));
  return facts;
}

Result<block::DriverInfo> get_info(Node& node) {
  OpenImage& state = state_of(node);
  const qcow2::Header header = state.current_header();
  block::DriverInfo info;
  info.cluster_size = header.cluster_size().bytes();
  info.dirty = header.dirty();
  info.corrupt = header.corrupt() || (state.image && state.image->corrupt());
  info.backing_filename = header.backing_file;
  info.backing_format = header.backing_format();
  info.format_specific = {
      {"compat", {std::string("1.1")}},
      {"compression-type", {std::string(header.compression_type == 0 ? "zlib" : "zstd")}},
      {"lazy-refcounts", {header.lazy_refcounts()}},
      {"refcount-bits", {std::uint64_t{header.refcount_bits()}}},
      {"corrupt", {info.corrupt}},
      {"extended-l2", {false}},
  };
  if (std::optional<Extension> extension = state.current_extension())
    info.format_specific.push_back({"dedup", {dedup_facts(state, *extension, header)}});
  if (std::optional<Error> why = unusable_extension(state))
    info.format_specific.push_back({"dedup", {InfoFields{{"unusable", {why->message()}}}}});
  return info;
}

Result<void> check_controllable(Node& node) {
  OpenImage& state = state_of(node);
  if (!state.deduplicated()) return block::not_deduplicated(node);
  if (!state.dedup)
    return Error(ErrorKind::permission, "Device '" + node.name() + "' is read-only");
  return {};
}

Result<void> pause_dedup(Node& node) {
  BLOCK_TRY(check_controllable(node));
  OpenImage& state = state_of(node);
  if (state.dedup->paused()) return {};
  state.dedup->set_paused(true);
  state.scan->cancel();
  node.emit(block::NodeEvent::dedup_changed);
  return {};
}

Result<void> resume_dedup(Node& node, const block::ResumeDedup& how) {
  BLOCK_TRY(check_controllable(node));
  OpenImage& state = state_of(node);
  bool was_paused = state.dedup->paused();
  state.dedup->set_paused(false);
  state.scan->begin(how);
  if (was_paused) node.emit(block::NodeEvent::dedup_changed);
  return {};
}

Result<block::DedupInfo> query_dedup(Node& node) {
  OpenImage& state = state_of(node);
  if (!state.deduplicated()) return block::not_deduplicated(node);
  return dedup_info(state);
}

constexpr block::DedupOperations dedup_operations = {
    .pause = pause_dedup,
    .resume = resume_dedup,
    .query = query_dedup,
};

} // namespace

const block::BlockDriver driver = {
    .format_name = "qcow2",
    .supports_backing = true,
    .detects_zeroes = true,
    .probe = probe,
    .create_options = create_options,
    .choose_create_defaults = choose_create_defaults,
    .check_create_options = check_create_options,
    .create = create,
    .reads_as_zeros_when_new = [](Node&) { return true; }, // a new image maps nothing
    .open = open,
    .close = close,
    .co_get_length = co_get_length,
    .co_readv = co_readv,
    .co_writev = co_writev,
    .supports_fua = true,
    .co_flush = co_flush,
    .co_pwrite_zeroes = co_pwrite_zeroes,
    .co_pdiscard = co_pdiscard,
    .co_truncate = co_truncate,
    .co_block_status = co_block_status,
    .mark_corrupt = mark_corrupt,
    .get_info = get_info,
    .check = check,
    .trim = trim,
    .amend_options = qcow2_dedup::feature_options,
    .amend = amend,
    .dedup = &dedup_operations,
};

} // namespace qcow2_driver
