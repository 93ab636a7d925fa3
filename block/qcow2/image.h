// Image: one qcow2 file: its metadata with the lock that guards it, and the write-back, which
// determines the order in which metadata becomes durable.
#ifndef BLOCK_QCOW2_IMAGE_H
#define BLOCK_QCOW2_IMAGE_H

#include "block/qcow2/data-file.h"
#include "block/qcow2/metadata.h"
#include "block/qcow2/space-return.h"

#include <atomic>

namespace qcow2 {

// What a feature that keeps facts about data clusters (deduplication) adds to an image. All
// functions are called with the metadata lock held.
class ImageFeature : public ContentEvents, public HintTables {
public:
  // The image is about to change for the first time since open. The feature sets the marks in the
  // header by which an unclean end is recognised.
  virtual void before_first_change(Metadata& metadata) = 0;
  // The image is closed cleanly and all tables are durable: the feature takes back the marks of
  // before_first_change().
  virtual void at_clean_close(Metadata& metadata) = 0;
};

// Locks, in the order in which they may be taken:
//   1. Disk::requests     guest ranges of requests in flight
//   2. write_back_mutex_  one write-back at a time; held over its I/O
//   3. the metadata lock  Image::lock(); never held over data I/O. docs/developer/concurrency.md
//                         lists the metadata that is read and written under it, with the reasons.
class Image {
public:
  using LockedMetadata = block::Locked<Metadata, block::SpinningMutex>;

  // `file` must outlive the image. The header must have been decoded and found supported.
  Image(HostFile& file, Header header, ImageSettings settings);

  // Waits for the metadata lock. It is held until the result is destroyed.
  LockedMetadata lock() { return LockedMetadata(metadata_mutex_, metadata_); }

  // Sets the feature, which the image does not own; null = none. Call it before the first request,
  // or while no request is in flight.
  void set_feature(ImageFeature* feature);

  // Begins a request that changes metadata. The caller must hold no lock but its request range.
  // Marks the image dirty if refcounts are lazy, and writes back if the caches hold too many
  // changes.
  Result<void> begin_change();
  // Makes durable everything that was linked before the call.
  Result<void> flush();
  // Writes everything back and marks the image clean. After an error a dirty image stays dirty.
  Result<void> close();

  // Returns the space of free clusters to the file system, as far as the settings ask for it.
  // Flushes and write-backs also do this, for a small part of the time.
  void return_space(TimeShare::Clock::duration at_most) { space_return_.return_all(at_most); }

  // Called when the metadata was found to contradict itself. From now on changes and flushes are
  // refused, because they could make the damage worse; data that was not flushed is lost.
  // `in_file`: also tries to mark the file. Returns false if the image was marked already.
  bool mark_corrupt(bool in_file);
  bool corrupt() const { return corrupt_.load(std::memory_order_acquire); }

  HostFile& file() { return file_; }
  DataFile& data() { return data_; }
  ClusterSize cluster_size() const { return cluster_size_; }
  // The largest refcount this image can store.
  std::uint64_t max_refcount() const { return max_refcount_; }

private:
  enum class Scope { needed_for_flush, everything, for_close };
  struct Step;

  Result<void> write_back(Scope scope) REQUIRES(write_back_mutex_);
  std::vector<Step> steps(Metadata& metadata, Scope scope);
  Result<void> write_steps(std::vector<Step>& steps);
  Result<void> write_step(Step& step);
  Result<void> refuse_if_corrupt() const;
  Result<void> mark_changed();
  Result<void> mark_clean(bool all_is_stored);
  // If the feature holds too many changes, merges them into its tables first. Returns whether a
  // write-back is needed.
  Result<bool> merge_if_full();
  // Lets the feature merge as many changes as possible into its tables. Returns the number of
  // changes that still wait.
  Result<std::size_t> prepare_hints();

  // Constant after construction:
  HostFile& file_;
  DataFile data_;
  const ClusterSize cluster_size_;
  const ImageSettings settings_;
  const std::uint64_t max_refcount_;
  ImageFeature* feature_ = nullptr; // constant while requests are in flight

  // Self-synchronising:
  std::atomic<std::uint64_t> flushes_asked_{0};
  std::atomic<bool> changed_{false}; // since open; set once, under write_back_mutex_
  std::atomic<bool> corrupt_{false};
  SpaceReturn space_return_{*this};

  block::Mutex write_back_mutex_;
  // Of flushes_asked_, those that a write-back covered.
  std::uint64_t flushes_done_ GUARDED_BY(write_back_mutex_) = 0;

  block::SpinningMutex metadata_mutex_;
  Metadata metadata_; // guarded by metadata_mutex_, see lock()
};

// Reads and decodes the header of an image file. Errors: those of decode_header() and of the read.
Result<Header> read_header(HostFile& file);

} // namespace qcow2

#endif
