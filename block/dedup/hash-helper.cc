// HashHelper: one task at a time, divided into batches.
#include "block/dedup/hash-helper.h"

#include <algorithm>
#include <system_error>

namespace dedup {

HashHelper::~HashHelper() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
  }
  begun_.notify_one();
  if (thread_.joinable()) thread_.join();
}

HashHelper::Task::Task(HashHelper& helper, std::span<const std::byte* const> clusters,
                       std::size_t cluster_bytes, std::span<Fingerprint> out)
    : helper_(helper), clusters_(clusters), cluster_bytes_(cluster_bytes), out_(out) {
  helper_.begin(*this);
}

HashHelper::Task::~Task() {
  next_ = clusters_.size();
  helper_.let_go(*this);
}

void HashHelper::Task::finish() {
  hash();
  helper_.let_go(*this);
}

void HashHelper::Task::hash() {
  while (has_more()) {
    std::size_t first = next_.fetch_add(batch_clusters);
    if (first >= clusters_.size()) return;
    std::size_t count = std::min(batch_clusters, clusters_.size() - first);
    helper_.hasher_.fingerprint(clusters_.subspan(first, count), cluster_bytes_,
                                out_.subspan(first, count));
  }
}

void HashHelper::begin(Task& task) {
  {
    std::lock_guard hold(mutex_);
    if (task_) return;
    try {
      if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
      return; // no thread available: the owner hashes alone
    }
    task_ = &task;
  }
  begun_.notify_one();
}

void HashHelper::let_go(Task& task) {
  std::unique_lock held(mutex_);
  if (task_ != &task) return;
  ended_.wait(held, [this] { return !hashing_; });
  task_ = nullptr;
}

void HashHelper::run() {
  std::unique_lock held(mutex_);
  while (true) {
    begun_.wait(held, [this] { return stop_ || (task_ && task_->has_more()); });
    if (stop_) return;
    Task& task = *task_;
    hashing_ = true;
    held.unlock();
    task.hash();
    held.lock();
    hashing_ = false;
    ended_.notify_one();
  }
}

} // namespace dedup
