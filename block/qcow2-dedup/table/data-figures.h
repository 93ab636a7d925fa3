// Data figures of a deduplicated image: bytes of data, stored, saved and free.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DATA_FIGURES_H
#define BLOCK_QCOW2_DEDUP_TABLE_DATA_FIGURES_H

#include "block/info.h"
#include "block/qcow2-dedup/table/extension.h"

namespace qcow2_dedup {

// `file_clusters`: host clusters of the file. `metadata_clusters`: of these, clusters that are in
// use but hold no data.
block::DataFigures data_figures(const DataClusters& clusters, block::ClusterSize size,
                                std::uint64_t file_clusters, std::uint64_t metadata_clusters);

} // namespace qcow2_dedup

#endif
