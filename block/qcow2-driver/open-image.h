// OpenImage: the state of an open qcow2 node, plain or deduplicated.
#ifndef BLOCK_QCOW2_DRIVER_OPEN_IMAGE_H
#define BLOCK_QCOW2_DRIVER_OPEN_IMAGE_H

#include "block/qcow2-dedup/background-scan.h"
#include "block/qcow2-dedup/deduplicator.h"
#include "block/qcow2-dedup/index-loader.h"

namespace qcow2_driver {

using block::Result;
using qcow2_dedup::BackgroundScan;
using qcow2_dedup::Deduplicator;
using qcow2_dedup::Extension;
using qcow2_dedup::IndexLoader;

struct OpenImage {
  explicit OpenImage(block::Node& file) : host_file(file) {}

  qcow2::HostFile host_file;
  // Header of the file, until it is moved to `image`.
  qcow2::Header header;
  // The dedup extension of the header, until it is moved to `dedup`. Nothing for a plain image, or
  // if the extension cannot be used.
  std::optional<Extension> extension;
  // Set after a repair that could not read or correct all of the mapping.
  bool mapping_incomplete = false;
  // Null for a node that was opened only to be checked.
  std::unique_ptr<qcow2::Image> image;
  std::unique_ptr<qcow2::Disk> disk;
  // Set only for a deduplicated image that is open for writing. The loader, which starts the scan,
  // must end before the scan, and both before the deduplicator.
  std::unique_ptr<Deduplicator> dedup;
  std::unique_ptr<BackgroundScan> scan;
  std::unique_ptr<IndexLoader> index_loader;

  bool deduplicated() const { return dedup || extension; }
  // Return copies of the present values from the owner. Any thread.
  qcow2::Header current_header();
  std::optional<Extension> current_extension();
  // While `extension` is set: returns whether the file is as the last clean end left it, as far as
  // the header shows.
  bool file_is_as_closed();
  // Returns the data figures of an image that is open read-only, if file_is_as_closed(). Nothing if
  // no program has counted them. Reads the dedup table's L1.
  std::optional<block::DataFigures> data_figures();
};

// For the BlockDriver table; contract there.
Result<void> open(block::Node& node, block::Options& options);

} // namespace qcow2_driver

#endif
