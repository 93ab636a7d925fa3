// Metadata: everything that all disks of one qcow2 file share and that the metadata lock guards:
// header, refcounts, allocator, table caches, and the roots.
#ifndef BLOCK_QCOW2_METADATA_H
#define BLOCK_QCOW2_METADATA_H

#include "block/qcow2/content-events.h"
#include "block/qcow2/root.h"

#include <memory>
#include <span>

namespace qcow2 {

struct ImageSettings {
  std::uint64_t l2_cache_bytes = 32u << 20;
  std::uint64_t refcount_cache_bytes = 8u << 20;
  // Number of L2 tables that are created and read at a time, in one piece of the file. QEMU creates
  // one.
  std::size_t l2_tables_at_once = 1;
  // Refcounts in the file are not kept up to date. The dirty bit makes the next opener rebuild
  // them.
  bool lazy_refcounts = false;
  ReturnedSpace returned_space = {};
};

// Image::lock() is the only way to the metadata of an image. A function that needs the lock takes
// Metadata&.
class Metadata {
public:
  Metadata(HostFile& file, Header header, const ImageSettings& settings);
  Metadata(const Metadata&) = delete;
  Metadata& operator=(const Metadata&) = delete;

  // Reads the header cluster. Call it before store_header().
  Result<void> load_header();
  // Reads the refcount table. Without it the image can only be read.
  Result<void> load_refcounts() { return refcounts_.load(header_); }
  // Adds a root, whose tables take part in the write-backs from now on. Call it before the first
  // request. There must be no two roots with the same record.
  Root& add_root(std::unique_ptr<Root> root);
  std::span<const std::unique_ptr<Root>> roots() const { return roots_; }

  // Enters all metadata of the standard in the allocator's metadata set. Call it before the first
  // write, with all roots added. Error: corrupt, if metadata overlaps.
  Result<void> enter_all();
  // Enters further metadata. Error: corrupt, if it overlaps; then nothing is entered.
  Result<void> enter(HostOffset offset, std::uint64_t bytes);
  // Returns the number of host clusters that hold metadata of the standard.
  std::uint64_t clusters();

  // For an image whose repair could not read a part of the mapping. All present clusters of the
  // file and the dirty bit stay as they are; the next opener repairs again.
  void keep_unknown_clusters();
  // Makes a clean close keep the dirty bit, if it is set: the next opener has to repair the image.
  void leave_dirty() { stays_dirty_ = true; }
  bool stays_dirty() const { return stays_dirty_; }

  const Header& header() const { return header_; }
  // For changes. The caller must then call store_header().
  Header& mutable_header() { return header_; }
  // Writes the header fields that changed since the header was last stored. The write covers one
  // sector if the caller changed one field.
  Result<void> store_header();
  // The same with a new header. After an error the former one is kept.
  Result<void> store_header(Header wanted);
  // True after a header write failed: the file may hold the old or the new header.
  bool header_in_doubt() const { return header_doubt_end_ > 0; }

  HostFile& file() { return file_; }
  ClusterSize cluster_size() const { return cluster_size_; }
  std::size_t l2_tables_at_once() const { return l2_tables_at_once_; }
  Refcounts& refcounts() { return refcounts_; }
  Allocator& allocator() { return allocator_; }
  TableCache& l2_tables() { return l2_tables_; }
  // Drops the cache contents beyond the limits. Invalidates Table pointers.
  void trim_caches();

  // The receiver of the content events, which the metadata does not own; null = none.
  ContentEvents* content_events() const { return content_events_; }
  void set_content_events(ContentEvents* events) { content_events_ = events; }

private:
  HostFile& file_;
  const ClusterSize cluster_size_;
  const std::size_t l2_tables_at_once_;
  ContentEvents* content_events_ = nullptr;
  bool stays_dirty_ = false;
  Header header_;
  std::vector<std::byte> stored_header_;
  // After a failed header write: up to this byte the file may differ from stored_header_.
  std::size_t header_doubt_end_ = 0;
  Refcounts refcounts_;
  Allocator allocator_;
  TableCache l2_tables_;
  std::vector<std::unique_ptr<Root>> roots_;
};

} // namespace qcow2

#endif
