// What a deduplicated image holds, stores and saves.
#ifndef BLOCK_QCOW2_DEDUP_DATA_FIGURES_H
#define BLOCK_QCOW2_DEDUP_DATA_FIGURES_H

#include "block/info.h"
#include "block/qcow2-dedup/open-image.h"

namespace qcow2_dedup {

// `file_clusters`: host clusters of the file; `metadata_clusters`: of these, those that hold no
// data but are in use.
block::DataFigures data_figures(const DataClusters& clusters, block::ClusterSize size,
                                std::uint64_t file_clusters, std::uint64_t metadata_clusters);

// Of an open image. Nothing if the file does not tell: it is not deduplicated, was not closed
// cleanly, lost its end, or another program has written to it since. Reads the dedup table's L1 if
// the image is read-only.
std::optional<block::DataFigures> data_figures(OpenImage& state);

} // namespace qcow2_dedup

#endif
