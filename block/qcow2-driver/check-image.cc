// Check and repair: the qcow2 check with the dedup table as its client, and the handling of an
// extension that cannot be used.
#include "block/qcow2-driver/check-image.h"

#include "block/qcow2-dedup/feature.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/table-check.h"
#include "block/qcow2/check/check.h"
#include "block/qcow2/trim.h"

namespace qcow2_driver {

using block::Error;
using block::ErrorKind;
using block::Node;
using qcow2_dedup::can_check_deep;
using qcow2_dedup::decode_extension;
using qcow2_dedup::extension_magic;
using qcow2_dedup::remove_dedup;
using qcow2_dedup::store_header;
using qcow2_dedup::table_is_current;
using qcow2_dedup::TableCheck;

namespace {

// Called before a repair, which would free clusters as leaks whose references it cannot follow.
// Removes an extension that contradicts itself, and returns true. An extension that another program
// may support is not repaired here.
Result<bool> repair_extension(OpenImage& state, const block::CheckRequest& request) {
  std::optional<Error> why = unusable_extension(state);
  if (!why && state.extension)
    if (Result<void> usable = dedup::check_usable(state.extension->algorithm); !usable)
      why = std::move(usable).error();
  if (!why) return false;
  const bool damaged = why->kind() == ErrorKind::corrupt;
  if (!damaged || !request.repair_errors) {
    if (!table_is_current(state.header)) return false;
    return std::move(*why)
        .context("deduplication")
        .with_hint(damaged
                       ? "'dedup-img check -r all' removes what cannot be used."
                       : "The image can still be checked without a repair, and opened read-only.");
  }
  if (request.report) request.report("Repairing " + why->message() + "; deduplication is off now");
  // A plain image remains, in which the table's clusters are leaks.
  remove_dedup(state.header);
  BLOCK_TRY(store_header(state.host_file, state.header, std::nullopt));
  return true;
}

} // namespace

std::optional<Error> unusable_extension(OpenImage& state) {
  if (state.deduplicated()) return std::nullopt;
  const qcow2::Header header = state.current_header();
  const qcow2::Extension* found = header.find_extension(extension_magic);
  if (!found) return std::nullopt;
  return decode_extension(found->data, header.cluster_size()).error();
}

Result<block::CheckReport> check(Node& node, const block::CheckRequest& request) {
  OpenImage& state = node.state<OpenImage>();
  if (request.deep) BLOCK_TRY(can_check_deep(state.header));
  bool repaired = false;
  if (request.repair_leaks || request.repair_errors) {
    BLOCK_TRY(state.host_file.begin_restoring_lost_writes());
    BLOCK_TRY_ASSIGN(repaired, repair_extension(state, request));
  }
  std::optional<TableCheck> table;
  std::optional<Error> unknown_table;
  // A table that is not current is neither followed nor kept; another program may have freed it.
  if (table_is_current(state.header)) {
    if (state.extension)
      table.emplace(state.host_file, state.header, *state.extension, request.deep);
    unknown_table = unusable_extension(state);
  }
  if (unknown_table && request.report)
    request.report("ERROR the dedup table cannot be followed, so its clusters look like leaks: " +
                   unknown_table->message());
  BLOCK_TRY_ASSIGN(block::CheckReport report,
                   qcow2::check(state.host_file, state.header, request, table ? &*table : nullptr));
  if (table) {
    state.extension = table->extension();
    report.data = table->data_figures(report);
  }
  if (unknown_table) ++report.check_errors;
  if (repaired) ++report.corruptions_fixed;
  return report;
}

Result<std::uint64_t> trim(Node& node, const block::Progress& progress) {
  OpenImage& state = node.state<OpenImage>();
  if (state.header.corrupt() || state.header.dirty())
    return Error(ErrorKind::corrupt, state.header.corrupt() ? "the image is marked corrupt"
                                                            : "the image was not closed cleanly")
        .with_hint("Run 'dedup-img check -r all' on it first.");
  std::optional<TableCheck> table;
  const bool current = table_is_current(state.header);
  if (current && state.extension) table.emplace(state.host_file, state.header, *state.extension);
  BLOCK_TRY_ASSIGN(bool safe, qcow2::refcounts_suffice(state.host_file, state.header, progress,
                                                       table ? &*table : nullptr));
  // The clusters of a table that cannot be followed are not counted.
  if (!safe || (current && unusable_extension(state)))
    return Error(ErrorKind::corrupt, "the image is damaged, so what it uses is not sure")
        .with_hint("Run 'dedup-img check' on it to see what is wrong.");
  return qcow2::trim(state.host_file, state.header);
}

} // namespace qcow2_driver
