// HashHelper: a second thread that hashes, for a caller who is busy with other things meanwhile.
#ifndef BLOCK_DEDUP_HASH_HELPER_H
#define BLOCK_DEDUP_HASH_HELPER_H

#include "block/dedup/fingerprint.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace dedup {

class HashHelper {
public:
  // What is hashed at a time: as many as the widest processors hash side by side.
  static constexpr std::size_t batch_clusters = 16;

  // The hasher outlives this. The thread begins with the first task.
  explicit HashHelper(const Hasher& hasher) : hasher_(hasher) {}
  ~HashHelper(); // when no task is left

  // Clusters that the helper and the task's owner hash, each when it has time. Used by one thread.
  class Task {
  public:
    // The helper begins with it at once, unless it has another one: then it leaves this one to its
    // owner. Of the arguments see Hasher::fingerprint(); what they name outlives the task.
    Task(HashHelper& helper, std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
         std::span<Fingerprint> out);
    // Waits until the helper has let go of it, but not for what neither has begun.
    ~Task();
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    // Hashes what the helper has not begun, and waits for the rest.
    void finish();

  private:
    friend HashHelper;
    bool has_more() const { return next_ < clusters_.size(); }
    // Batch after batch, until all are begun.
    void hash();

    HashHelper& helper_;
    const std::span<const std::byte* const> clusters_;
    const std::size_t cluster_bytes_;
    const std::span<Fingerprint> out_;
    std::atomic<std::size_t> next_{0}; // the first cluster that nobody has begun
  };

private:
  void begin(Task& task);
  void let_go(Task& task);
  void run();

  const Hasher& hasher_;
  std::mutex mutex_;
  std::condition_variable begun_;
  std::condition_variable ended_;
  // Guarded by mutex_:
  Task* task_ = nullptr;
  bool hashing_ = false; // the thread is at task_
  bool stop_ = false;
  std::thread thread_;
};

} // namespace dedup

#endif
