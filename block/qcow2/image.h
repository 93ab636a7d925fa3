// Image: what all disks of one qcow2 file share: header, refcounts, allocator, table caches, and
// the write-back that decides in which order metadata becomes durable.
#ifndef BLOCK_QCOW2_IMAGE_H
#define BLOCK_QCOW2_IMAGE_H

#include "block/qcow2/mapping.h"
#include "block/qcow2/time-share.h"
#include "block/util/mutex.h"

#include <atomic>

namespace qcow2 {

// What sits on an image and keeps facts about its data clusters (deduplication). All are called
// with the metadata lock held.
class ImageClient {
public:
  virtual ~ImageClient() = default;
  // The cluster is about to be overwritten in place: facts about its content end now, before the
  // first byte changes.
  virtual void content_changes(HostCluster cluster) = 0;
  // The clusters are about to hold something else, data or metadata: whatever the client has stored
  // about them ends now.
  virtual void clusters_allocated(HostCluster first, std::uint64_t clusters) = 0;
  // Data is about to be stored, or has just been, of which the client knows nothing else.
  virtual void data_written() = 0;
  // The content of so many clusters could not be read.
  virtual void content_unreadable(HostCluster first, std::uint64_t clusters) = 0;
  // An L2 entry names the host cluster now. `first`: no other one does.
  virtual void reference_added(HostCluster host, bool first) = 0;
  // The guest cluster no longer refers to the host cluster, which has `left` references now. With
  // none left it may be used for something else after the next write-back.
  virtual void reference_dropped(GuestCluster guest, HostCluster host, std::uint64_t left) = 0;
  // The guest cluster's entry has got COPIED: it is the host cluster's only owner.
  virtual void became_only_owner(GuestCluster guest, HostCluster host) = 0;
  // The image is about to change for the first time since open: mark whatever must tell of an
  // unclean end.
  virtual Result<void> before_first_change(Header& header) = 0;
  // Tables that only hold hints: written back when they take too much memory, and before a clean
  // close.
  virtual bool wants_write_back() const = 0;
  // Before begin_write_back(), and whenever one is wanted: may still allocate, and writes nothing
  // but tables that move. Error: corrupt.
  virtual Result<void> prepare_write_back() = 0;
  // Changes that the last write-back had no room for.
  virtual std::size_t waiting_changes() const = 0;
  virtual std::vector<TableWrite> begin_write_back() = 0;
  virtual void end_write_back(const std::vector<TableWrite>& writes, bool written) = 0;
  // Before end_write_back(): this piece cannot be written, which fails nothing else.
  virtual void table_lost(const TableWrite& write, const block::Error& why) = 0;
  // The image is closed cleanly and all tables are durable: take back what before_first_change()
  // marked.
  virtual void at_clean_close(Header& header) = 0;
};

struct ImageSettings {
  std::uint64_t l2_cache_bytes = 32u << 20;
  std::uint64_t refcount_cache_bytes = 8u << 20;
  // L2 tables that are made and read at a time, in one piece of the file. QEMU makes one.
  std::size_t l2_tables_at_once = 1;
  // Refcounts are not kept up to date in the file; the dirty bit tells the next opener to rebuild
  // them.
  bool lazy_refcounts = false;
  ReturnedSpace returned_space = {};
};

// Locks, in the order in which they may be taken:
//   1. Disk::requests           guest ranges of requests in flight
//   2. write_back_mutex_        one write-back at a time; held over its I/O
//   3. metadata_mutex           everything below; never held over data I/O. What is read and
//                               written under it all the same, and why, says
//                               docs/developer/concurrency.md.
class Image {
public:
  // `file` outlives the image. The header has been decoded and found supported.
  Image(HostFile& file, Header header, ImageSettings settings);

  // Reads what the header cluster holds.
  Result<void> load() EXCLUDES(metadata_mutex);
  // Reads the refcount table, without which the image can be read and nothing more.
  Result<void> load_refcounts() EXCLUDES(metadata_mutex);
  // Before writing, with all mappings added: enters all metadata of the standard in the allocator's
  // places. Error: corrupt, if metadata overlaps.
  Result<void> enter_all_metadata() EXCLUDES(metadata_mutex);
  // Enters further metadata; same error, and nothing is entered then.
  Result<void> enter_metadata(HostOffset offset, std::uint64_t bytes) REQUIRES(metadata_mutex);
  // Part of the mapping could not be read when the image was repaired. Whatever the file holds now
  // stays as it is, and so does the dirty bit: the next opener repairs again.
  void keep_unknown_clusters() EXCLUDES(metadata_mutex);
  // The next opener has to repair the image: a clean close keeps the dirty bit, if it is set.
  void leave_dirty() REQUIRES(metadata_mutex) { stays_dirty_ = true; }
  // Host clusters that hold metadata of the standard.
  std::uint64_t metadata_clusters() REQUIRES(metadata_mutex);
  // Whoever sits on top; before the first request. Not owned.
  void set_client(ImageClient* client) { client_ = client; }
  ImageClient* client() const { return client_; }
  // Takes part in write-backs; before the first request. Not owned; there are no two disks of one
  // root.
  void add_mapping(Mapping* mapping) EXCLUDES(metadata_mutex);

  // Every request that changes metadata begins with this, holding no lock but its request range:
  // marks the image dirty if refcounts are lazy, and writes back if the caches hold too many
  // changes.
  Result<void> begin_change() EXCLUDES(metadata_mutex);
  // Makes everything that was linked before the call durable.
  Result<void> flush() EXCLUDES(metadata_mutex);
  // Writes everything back and marks the image clean. After an error the image stays dirty, if it
  // was.
  Result<void> close() EXCLUDES(metadata_mutex);

  // Gives the space of free clusters back to the file system, as far as settings ask for it and
  // that is done after `at_most`, and unless another thread is just doing so. Flushes and
  // write-backs do it as well, for a small part of the time. Never fails: space that is not given
  // back is used again, or lost at worst.
  void return_space(TimeShare::Clock::duration at_most) EXCLUDES(metadata_mutex);

  // The metadata was found to contradict itself. From now on changes and flushes are refused,
  // because they could make it worse; what was not flushed is lost. `in_file`: also marks the file,
  // as well as that goes. False if it was known.
  bool mark_corrupt(bool in_file) EXCLUDES(metadata_mutex);
  bool corrupt() const { return corrupt_.load(std::memory_order_acquire); }

  // Drops what the caches hold beyond their limits. Ends the life of Table pointers.
  void trim_caches() REQUIRES(metadata_mutex);
  // Writes what changed in the header since it was last stored. The change lies in one sector if
  // the caller changed one field.
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
  // For the construction of a Mapping, which is guarded as these are.
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
  // Lets the client bring into its tables all it can, and returns what still waits.
  Result<std::size_t> prepare_client() EXCLUDES(metadata_mutex);
  void punch_freed_space(TimeShare::Clock::duration at_most) EXCLUDES(metadata_mutex);
  // As much of it as the punching's share of the time allows now. What overwriting frees waits for
  // some seconds, because most of it is used again by then.
  void return_some_space() EXCLUDES(metadata_mutex);

  HostFile& file_;
  const ClusterSize cluster_size_;
  const ImageSettings settings_;
  const std::uint64_t max_refcount_;
  ImageClient* client_ = nullptr;

  block::Mutex write_back_mutex_;
  std::atomic<std::uint64_t> flushes_asked_{0};
  std::uint64_t flushes_done_ GUARDED_BY(write_back_mutex_) =
      0;                             // of flushes_asked_, those that a write-back covered
  std::atomic<bool> changed_{false}; // since open; set once, under write_back_mutex_
  std::atomic<bool> corrupt_{false};
  bool stays_dirty_ GUARDED_BY(metadata_mutex) = false;

  Header header_ GUARDED_BY(metadata_mutex);
  std::vector<std::byte> stored_header_ GUARDED_BY(metadata_mutex);
  // After a header write that failed: up to here the file may differ from stored_header_.
  std::size_t header_doubt_end_ GUARDED_BY(metadata_mutex) = 0;
  TimeShare punching_ GUARDED_BY(metadata_mutex);
  TimeShare::Clock::time_point space_settled_ GUARDED_BY(metadata_mutex) = TimeShare::Clock::now();
  Refcounts refcounts_ GUARDED_BY(metadata_mutex);
  Allocator allocator_ GUARDED_BY(metadata_mutex);
  TableCache l2_tables_ GUARDED_BY(metadata_mutex);
  std::vector<Mapping*> mappings_ GUARDED_BY(metadata_mutex);
};

// Reads and decodes the header of an image file. Errors: those of decode_header() and of the read.
Result<Header> read_header(HostFile& file);

} // namespace qcow2

#endif
