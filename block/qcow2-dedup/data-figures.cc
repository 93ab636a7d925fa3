// Clusters as bytes, and what is neither data nor metadata.
#include "block/qcow2-dedup/data-figures.h"

namespace qcow2_dedup {

using block::MutexGuard;

block::DataFigures data_figures(const DataClusters& clusters, block::ClusterSize size,
                                std::uint64_t file_clusters, std::uint64_t metadata_clusters) {
  const std::uint64_t used = clusters.stored + metadata_clusters;
  return {.data_bytes = clusters.named << size.bits(),
          .stored_bytes = clusters.stored << size.bits(),
          .free_bytes = (file_clusters > used ? file_clusters - used : 0) << size.bits()};
}

std::optional<block::DataFigures> data_figures(OpenImage& state) {
  if (state.dedup) return state.dedup->data_figures();
  if (!state.extension || !state.extension->data || !state.file_is_as_closed()) return std::nullopt;
  const block::ClusterSize size = state.image->cluster_size();
  dedup::Counters counters;
  DedupTable table(state.host_file, size, 0, counters, {}, {}, {});
  if (!table.load(*state.extension)) return std::nullopt;
  MutexGuard hold(state.image->metadata_mutex);
  return data_figures(*state.extension->data, size,
                      size.clusters_for(state.host_file.end().value()),
                      state.image->metadata_clusters() + table.clusters());
}

} // namespace qcow2_dedup
