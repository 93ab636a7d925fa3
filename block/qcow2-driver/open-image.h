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
  // Of the file, until `image` takes it over.
  qcow2::Header header;
  // What the header says of deduplication, until `dedup` takes it over; nothing for a plain image,
  // or one whose extension cannot be used.
  std::optional<Extension> extension;
  // After a repair that could not read, or not correct, all of the mapping.
  bool mapping_incomplete = false;
  // Absent for a node that was opened only to be checked.
  std::unique_ptr<qcow2::Image> image;
  std::unique_ptr<qcow2::Disk> disk;
  // Only for a deduplicated image that is open for writing. The loader ends before the scan that it
  // begins, and both before the deduplicator.
  std::unique_ptr<Deduplicator> dedup;
  std::unique_ptr<BackgroundScan> scan;
  std::unique_ptr<IndexLoader> index_loader;

  bool deduplicated() const { return dedup || extension; }
  // Copies of what the owner has now. Any thread.
  qcow2::Header current_header();
  std::optional<Extension> current_extension();
  // As long as there is an `extension`: whether the file is what the last clean end left, as far as
  // the header tells.
  bool file_is_as_closed();
  // What the image holds, stores and saves. Nothing if the file does not tell: it is not
  // deduplicated, was not closed cleanly, lost its end, or another program has written to it since.
  // Reads the dedup table's L1 if the image is read-only.
  std::optional<block::DataFigures> data_figures();
};

// For the BlockDriver table; contract there.
Result<void> open(block::Node& node, block::Options& options);

} // namespace qcow2_driver

#endif
