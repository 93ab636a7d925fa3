// Mutex: std::mutex with annotations, so that clang -Wthread-safety can check which locks are held.
#ifndef BLOCK_UTIL_MUTEX_H
#define BLOCK_UTIL_MUTEX_H

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
  // Spins briefly before it sleeps: the mutex is usually held for about a microsecond, much less
  // than sleeping and waking cost.
  void lock() BLOCK_THREAD_ATTRIBUTE(acquire_capability()) {
    for (int attempt = 0; attempt < spin_attempts; ++attempt) {
      if (mutex_.try_lock()) return;
      relax();
    }
    mutex_.lock();
  }
  void unlock() BLOCK_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  // Declares to the analysis that the caller holds the mutex, where it cannot derive that: in a
  // callback.
  void assert_held() const BLOCK_THREAD_ATTRIBUTE(assert_capability(this)) {}
  // For std::condition_variable only.
  std::mutex& native() { return mutex_; }

private:
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

} // namespace block

#endif
