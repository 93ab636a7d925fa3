// HashHelper: one task at a time, divided into batches.
#include "block/dedup/hash-helper.h"

#include <algorithm>
#include <system_error>

namespace dedup {

using block::MutexGuard;

HashHelper::~HashHelper() {
  {
    MutexGuard hold(mutex_);
    stop_ = true;
  }
  begun_.notify_all();
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
    MutexGuard hold(mutex_);
    if (task_) return;
    try {
      if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
      return; // no thread available: the owner hashes alone
    }
    task_ = &task;
  }
  begun_.notify_all();
}

void HashHelper::let_go(Task& task) {
  MutexGuard hold(mutex_);
  if (task_ != &task) return;
  while (hashing_)
    ended_.wait(mutex_);
  task_ = nullptr;
}

HashHelper::Task* HashHelper::wait_for_task() {
  MutexGuard hold(mutex_);
  while (!stop_ && !(task_ && task_->has_more()))
    begun_.wait(mutex_);
  if (stop_) return nullptr;
  hashing_ = true;
  return task_;
}

void HashHelper::run() {
  while (Task* task = wait_for_task()) {
    task->hash();
    MutexGuard hold(mutex_);
    hashing_ = false;
    ended_.notify_all();
  }
}

} // namespace dedup
