// Data figures in bytes. Clusters that hold neither data nor metadata are free.
#include "block/qcow2-dedup/table/data-figures.h"

namespace qcow2_dedup {

block::DataFigures data_figures(const DataClusters& clusters, block::ClusterSize size,
                                std::uint64_t file_clusters, std::uint64_t metadata_clusters) {
  const std::uint64_t used = clusters.stored + metadata_clusters;
  return {.data_bytes = clusters.named << size.bits(),
          .stored_bytes = clusters.stored << size.bits(),
          .free_bytes = (file_clusters > used ? file_clusters - used : 0) << size.bits()};
}

} // namespace qcow2_dedup
