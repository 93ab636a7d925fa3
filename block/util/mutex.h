// Mutexes, guards and conditions with annotations, so that clang -Wthread-safety can check which
// locks are held.
#ifndef BLOCK_UTIL_MUTEX_H
#define BLOCK_UTIL_MUTEX_H

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BLOCK_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define BLOCK_THREAD_ATTRIBUTE(x)
#endif

// A member that may be accessed only while the mutex is held.
#define GUARDED_BY(mutex) BLOCK_THREAD_ATTRIBUTE(guarded_by(mutex))
// A function whose caller must hold, or must not hold, the mutex.
#define REQUIRES(...) BLOCK_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) BLOCK_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace block {

class BLOCK_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
public:
  void lock() BLOCK_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() BLOCK_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

private:
  friend class Condition;
  std::mutex mutex_;
};

// Spins briefly before it sleeps. Only for a mutex that is usually held for about a microsecond,
// much less than sleeping and waking cost.
class BLOCK_THREAD_ATTRIBUTE(capability("mutex")) SpinningMutex {
public:
  void lock() BLOCK_THREAD_ATTRIBUTE(acquire_capability()) {
    for (int attempt = 0; attempt < spin_attempts; ++attempt) {
      if (mutex_.try_lock()) return;
      relax();
    }
    mutex_.lock();
  }
  void unlock() BLOCK_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

private:
  friend class Condition;
  // Some microseconds: spinning does not continue for long if the holder was preempted.
  static constexpr int spin_attempts = 100;

  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::mutex mutex_;
};

class BLOCK_THREAD_ATTRIBUTE(scoped_lockable) MutexGuard {
public:
  explicit MutexGuard(Mutex& mutex) BLOCK_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexGuard() BLOCK_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

private:
  Mutex& mutex_;
};

// Holds a mutex, and is the only way to the value that the mutex guards. A function that needs the
// lock takes a reference to the value. So the compiler refuses a call without the lock.
template <typename Value, typename MutexType>
class [[nodiscard]] Locked {
public:
  Locked(MutexType& mutex, Value& value) BLOCK_THREAD_ATTRIBUTE(no_thread_safety_analysis)
      : mutex_(mutex), value_(value) {
    mutex_.lock();
  }
  ~Locked() BLOCK_THREAD_ATTRIBUTE(no_thread_safety_analysis) { mutex_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  Value* operator->() const { return &value_; }
  operator Value&() const { return value_; }
  // For Condition::wait().
  MutexType& mutex() const { return mutex_; }

private:
  MutexType& mutex_;
  Value& value_;
};

// std::condition_variable over the mutexes above.
class Condition {
public:
  // Releases the mutex, which the caller holds, waits for a notification, and holds the mutex again
  // at return. May return without a notification.
  template <typename MutexType>
  void wait(MutexType& mutex) REQUIRES(mutex) BLOCK_THREAD_ATTRIBUTE(no_thread_safety_analysis) {
    std::unique_lock<std::mutex> held(mutex.mutex_, std::adopt_lock);
    changed_.wait(held);
    held.release();
  }
  // The same, until `deadline` at the latest.
  template <typename MutexType>
  void wait_until(MutexType& mutex, std::chrono::steady_clock::time_point deadline) REQUIRES(mutex)
      BLOCK_THREAD_ATTRIBUTE(no_thread_safety_analysis) {
    std::unique_lock<std::mutex> held(mutex.mutex_, std::adopt_lock);
    (void)changed_.wait_until(held, deadline);
    held.release();
  }
  void notify_all() { changed_.notify_all(); }

private:
  std::condition_variable changed_;
};

} // namespace block

#endif
