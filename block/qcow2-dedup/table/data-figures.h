// What a deduplicated image holds, stores and saves.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DATA_FIGURES_H
#define BLOCK_QCOW2_DEDUP_TABLE_DATA_FIGURES_H

#include "block/info.h"
#include "block/qcow2-dedup/table/extension.h"

namespace qcow2_dedup {

// `file_clusters`: host clusters of the file; `metadata_clusters`: of these, those that hold no
// data but are in use.
block::DataFigures data_figures(const DataClusters& clusters, block::ClusterSize size,
                                std::uint64_t file_clusters, std::uint64_t metadata_clusters);

} // namespace qcow2_dedup

#endif
