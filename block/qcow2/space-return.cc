// SpaceReturn: how long, how often, and which clusters.
#include "block/qcow2/space-return.h"

#include "block/qcow2/image.h"

#include <ctime>

namespace qcow2 {

using block::MutexGuard;

namespace {

// Punching holes gets one part in `punching_part` of the time of flushes and write-backs. The file
// system then needs about the same time again to allocate the returned space anew.
constexpr unsigned punching_part = 40;
constexpr std::chrono::milliseconds most_punching_saved_up{50};
// Space freed by overwriting may be punched after it has stayed free for this time, at the latest
// for twice this time.
constexpr std::chrono::seconds time_to_settle{10};

// Processor time that this thread has used so far.
std::chrono::nanoseconds processor_time() {
  timespec time{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

} // namespace

SpaceReturn::SpaceReturn(Image& image)
    : image_(image), punching_(punching_part, most_punching_saved_up) {}

void SpaceReturn::return_all(TimeShare::Clock::duration at_most) {
  image_.lock()->allocator().settle_freed_space();
  punch(at_most);
}

void SpaceReturn::return_some() {
  const TimeShare::Clock::time_point now = TimeShare::Clock::now();
  TimeShare::Clock::duration at_most;
  bool settled = false;
  {
    MutexGuard hold(mutex_);
    settled = now - aged_ >= time_to_settle;
    if (settled) aged_ = now;
    at_most = punching_.left(now);
  }
  if (settled) image_.lock()->allocator().age_freed_space();
  if (at_most > TimeShare::Clock::duration::zero()) punch(at_most);
}

// The metadata lock is not held while a hole is punched, so the allocator holds these clusters
// meanwhile. Nothing is punched in a corrupt image, because its refcounts may be wrong.
void SpaceReturn::punch(TimeShare::Clock::duration at_most) {
  constexpr std::size_t runs_at_once = 32;
  const TimeShare::Clock::time_point begun = TimeShare::Clock::now();
  const std::chrono::nanoseconds processor_begun = processor_time();
  const ClusterSize size = image_.cluster_size();
  TimeShare::Clock::duration took{};
  while (took < at_most && !image_.corrupt()) {
    const std::vector<HostRun> runs = image_.lock()->allocator().hold_for_punching(runs_at_once);
    if (runs.empty()) break;
    for (const HostRun& run : runs)
      (void)image_.data().punch(size.start(run.first), run.clusters << size.bits());
    image_.lock()->allocator().release_punched();
    // If other programs keep the processors busy, most of the elapsed time is not used by this
    // thread.
    took = std::max<TimeShare::Clock::duration>(processor_time() - processor_begun,
                                                (TimeShare::Clock::now() - begun) / 4);
  }
  MutexGuard hold(mutex_);
  punching_.spend(took);
}

} // namespace qcow2
