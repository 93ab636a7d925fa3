// Image: the state that all disks of one qcow2 file share: header, refcounts, allocator, table
// caches, and the write-back, which determines the order in which metadata becomes durable.
#ifndef BLOCK_QCOW2_IMAGE_H
#define BLOCK_QCOW2_IMAGE_H

#include "block/qcow2/mapping.h"
#include "block/qcow2/time-share.h"
#include "block/util/mutex.h"

#include <atomic>

namespace qcow2 {

// A client of an image that keeps facts about its data clusters (deduplication). All functions are
// called with the metadata lock held.
class ImageClient {
public:
  virtual ~ImageClient() = default;
  // The cluster is about to be overwritten in place. The client must drop its facts about the
  // content now, before the first byte changes.
  virtual void content_changes(HostCluster cluster) = 0;
  // The clusters are about to hold something else, data or metadata. The client must drop
  // everything that it has stored about them now.
  virtual void clusters_allocated(HostCluster first, std::uint64_t clusters) = 0;
  // Data is about to be stored, or has just been stored, without any other call to the client.
  virtual void data_written() = 0;
  // The content of these clusters could not be read.
  virtual void content_unreadable(HostCluster first, std::uint64_t clusters) = 0;
  // An L2 entry names the host cluster now. `first`: it is the only entry that does.
  virtual void reference_added(HostCluster host, bool first) = 0;
  // The guest cluster no longer refers to the host cluster, which has `left` references now. If
  // `left` is 0, the cluster may be reused after the next write-back.
  virtual void reference_dropped(GuestCluster guest, HostCluster host, std::uint64_t left) = 0;
  // The guest cluster's entry received COPIED: it is the host cluster's only owner.
  virtual void became_only_owner(GuestCluster guest, HostCluster host) = 0;
  // The image is about to change for the first time since open. The client sets the marks in the
  // header by which an unclean end is recognised.
  virtual Result<void> before_first_change(Header& header) = 0;
  // The client's tables hold only hints. They are written back when they take too much memory, and
  // before a clean close.
  virtual bool wants_write_back() const = 0;
  // Called before begin_write_back(), and whenever a write-back is wanted. May still allocate.
  // Writes nothing except tables that move. Error: corrupt.
  virtual Result<void> prepare_write_back() = 0;
  // Number of changes that did not fit into the last write-back.
  virtual std::size_t waiting_changes() const = 0;
  virtual std::vector<TableWrite> begin_write_back() = 0;
  virtual void end_write_back(const std::vector<TableWrite>& writes, bool written) = 0;
  // Called before end_write_back(): this piece cannot be written. The write-back goes on.
  virtual void table_lost(const TableWrite& write, const block::Error& why) = 0;
  // The image is closed cleanly and all tables are durable: the client takes back the marks of
  // before_first_change().
  virtual void at_clean_close(Header& header) = 0;
};

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

// Locks, in the order in which they may be taken:
//   1. Disk::requests           guest ranges of requests in flight
//   2. write_back_mutex_        one write-back at a time; held over its I/O
//   3. metadata_mutex           everything below; never held over data I/O.
//                               docs/developer/concurrency.md lists the metadata that is read and
//                               written under it, with the reasons.
class Image {
public:
  // `file` must outlive the image. The header must have been decoded and found supported.
  Image(HostFile& file, Header header, ImageSettings settings);

  // Reads the header cluster.
  Result<void> load() EXCLUDES(metadata_mutex);
  // Reads the refcount table. Without it the image can only be read.
  Result<void> load_refcounts() EXCLUDES(metadata_mutex);
  // Enters all metadata of the standard in the allocator's metadata set. Call it before the first
  // write, with all mappings added. Error: corrupt, if metadata overlaps.
  Result<void> enter_all_metadata() EXCLUDES(metadata_mutex);
  // Enters further metadata. Error: corrupt, if it overlaps; then nothing is entered.
  Result<void> enter_metadata(HostOffset offset, std::uint64_t bytes) REQUIRES(metadata_mutex);
  // For an image whose repair could not read a part of the mapping. All present clusters of the
  // file and the dirty bit stay as they are; the next opener repairs again.
  void keep_unknown_clusters() EXCLUDES(metadata_mutex);
  // Makes a clean close keep the dirty bit, if it is set: the next opener has to repair the image.
  void leave_dirty() REQUIRES(metadata_mutex) { stays_dirty_ = true; }
  // Returns the number of host clusters that hold metadata of the standard.
  std::uint64_t metadata_clusters() REQUIRES(metadata_mutex);
  // Sets the client, which the image does not own. Call it before the first request.
  void set_client(ImageClient* client) { client_ = client; }
  ImageClient* client() const { return client_; }
  // Adds a mapping to the write-backs. Call it before the first request. The image does not own the
  // mapping. There must be no two disks of one root.
  void add_mapping(Mapping* mapping) EXCLUDES(metadata_mutex);

  // Begins a request that changes metadata. The caller must hold no lock but its request range.
  // Marks the image dirty if refcounts are lazy, and writes back if the caches hold too many
  // changes.
  Result<void> begin_change() EXCLUDES(metadata_mutex);
  // Makes durable everything that was linked before the call.
  Result<void> flush() EXCLUDES(metadata_mutex);
  // Writes everything back and marks the image clean. After an error a dirty image stays dirty.
  Result<void> close() EXCLUDES(metadata_mutex);

  // Returns the space of free clusters to the file system, as far as the settings ask for it. Stops
  // after `at_most`, and does nothing while another thread does the same. Flushes and write-backs
  // also do this, for a small part of the time. Never fails: space that is not returned is reused,
  // or lost at worst.
  void return_space(TimeShare::Clock::duration at_most) EXCLUDES(metadata_mutex);

  // Called when the metadata was found to contradict itself. From now on changes and flushes are
  // refused, because they could make the damage worse; data that was not flushed is lost.
  // `in_file`: also tries to mark the file. Returns false if the image was marked already.
  bool mark_corrupt(bool in_file) EXCLUDES(metadata_mutex);
  bool corrupt() const { return corrupt_.load(std::memory_order_acquire); }

  // Drops the cache contents beyond the limits. Invalidates Table pointers.
  void trim_caches() REQUIRES(metadata_mutex);
  // Writes the header fields that changed since the header was last stored. The write covers one
  // sector if the caller changed one field.
  Result<void> store_header() REQUIRES(metadata_mutex);

  HostFile& file() { return file_; }
  ClusterSize cluster_size() const { return cluster_size_; }
  std::size_t l2_tables_at_once() const { return settings_.l2_tables_at_once; }
  // The largest refcount this image can store.
  std::uint64_t max_refcount() const { return max_refcount_; }
  Header& header() REQUIRES(metadata_mutex) { return header_; }
  Refcounts& refcounts() REQUIRES(metadata_mutex) { return refcounts_; }
  Allocator& allocator() REQUIRES(metadata_mutex) { return allocator_; }
  TableCache& l2_tables() REQUIRES(metadata_mutex) { return l2_tables_; }
  // For the constructor of a Mapping, which is guarded by the same lock.
  TableCache& unguarded_l2_tables() { return l2_tables_; }
  Allocator& unguarded_allocator() { return allocator_; }

  block::Mutex metadata_mutex;

private:
  enum class Scope { needed_for_flush, everything, for_close };
  struct Changes;

  Result<void> write_back(Scope scope) REQUIRES(write_back_mutex_) EXCLUDES(metadata_mutex);
  Result<void> write_changes(Changes& changes);
  Result<void> write_client_tables(Changes& changes);
  Result<void> refuse_if_corrupt() const;
  Result<void> mark_missing_copied() REQUIRES(metadata_mutex);
  Result<void> mark_changed() EXCLUDES(metadata_mutex);
  Result<void> mark_clean(bool all_is_stored) EXCLUDES(metadata_mutex);
  Result<bool> wants_write_back() EXCLUDES(metadata_mutex);
  // Lets the client merge as many changes as possible into its tables. Returns the number of
  // changes that still wait.
  Result<std::size_t> prepare_client() EXCLUDES(metadata_mutex);
  void punch_freed_space(TimeShare::Clock::duration at_most) EXCLUDES(metadata_mutex);
  // Returns as much space as punching's share of the time allows now. Space freed by overwriting is
  // kept for a while, because most of it is reused by then.
  void return_some_space() EXCLUDES(metadata_mutex);

  HostFile& file_;
  const ClusterSize cluster_size_;
  const ImageSettings settings_;
  const std::uint64_t max_refcount_;
  ImageClient* client_ = nullptr;

  block::Mutex write_back_mutex_;
  std::atomic<std::uint64_t> flushes_asked_{0};
  // Of flushes_asked_, those that a write-back covered.
  std::uint64_t flushes_done_ GUARDED_BY(write_back_mutex_) = 0;
  std::atomic<bool> changed_{false}; // since open; set once, under write_back_mutex_
  std::atomic<bool> corrupt_{false};
  bool stays_dirty_ GUARDED_BY(metadata_mutex) = false;

  Header header_ GUARDED_BY(metadata_mutex);
  std::vector<std::byte> stored_header_ GUARDED_BY(metadata_mutex);
  // After a failed header write: up to this byte the file may differ from stored_header_.
  std::size_t header_doubt_end_ GUARDED_BY(metadata_mutex) = 0;
  TimeShare punching_ GUARDED_BY(metadata_mutex);
  TimeShare::Clock::time_point space_aged_ GUARDED_BY(metadata_mutex) = TimeShare::Clock::now();
  Refcounts refcounts_ GUARDED_BY(metadata_mutex);
  Allocator allocator_ GUARDED_BY(metadata_mutex);
  TableCache l2_tables_ GUARDED_BY(metadata_mutex);
  std::vector<Mapping*> mappings_ GUARDED_BY(metadata_mutex);
};

// Reads and decodes the header of an image file. Errors: those of decode_header() and of the read.
Result<Header> read_header(HostFile& file);

} // namespace qcow2

#endif
