// HashHelper: a second thread that hashes for a caller that does other work meanwhile.
#ifndef BLOCK_DEDUP_HASH_HELPER_H
#define BLOCK_DEDUP_HASH_HELPER_H

#include "block/dedup/fingerprint.h"
#include "block/util/mutex.h"

#include <atomic>
#include <thread>

namespace dedup {

class HashHelper {
public:
  // Clusters hashed at a time: as many as the widest processors hash side by side.
  static constexpr std::size_t batch_clusters = 16;

  // The hasher must outlive this object. The thread is started with the first task.
  explicit HashHelper(const Hasher& hasher) : hasher_(hasher) {}
  ~HashHelper(); // no task may be left

  // Clusters that the helper and the task's owner hash together, each when it has time. Used by one
  // thread.
  class Task {
  public:
    // The helper starts the task at once, unless it has another one; then the owner does all of it.
    // See Hasher::fingerprint() for the arguments; the memory must outlive the task.
    Task(HashHelper& helper, std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
         std::span<Fingerprint> out);
    // Waits until the helper has released the task. Batches that neither has begun are not hashed.
    ~Task();
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    // Hashes the batches that the helper has not begun, and waits for the rest.
    void finish();

  private:
    friend HashHelper;
    bool has_more() const { return next_ < clusters_.size(); }
    // Hashes batch after batch, until all are begun.
    void hash();

    HashHelper& helper_;
    const std::span<const std::byte* const> clusters_;
    const std::size_t cluster_bytes_;
    const std::span<Fingerprint> out_;
    std::atomic<std::size_t> next_{0}; // the first cluster that no thread has begun
  };

private:
  void begin(Task& task) EXCLUDES(mutex_);
  void let_go(Task& task) EXCLUDES(mutex_);
  void run();
  // Waits for a task with work left. Returns null when the thread has to end.
  Task* wait_for_task() EXCLUDES(mutex_);

  const Hasher& hasher_;
  block::Mutex mutex_;
  block::Condition begun_;
  block::Condition ended_;
  Task* task_ GUARDED_BY(mutex_) = nullptr;
  bool hashing_ GUARDED_BY(mutex_) = false; // the thread is working on task_
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

} // namespace dedup

#endif
