// SpaceReturn: returns the space of free clusters to the file system, by punching holes.
#ifndef BLOCK_QCOW2_SPACE_RETURN_H
#define BLOCK_QCOW2_SPACE_RETURN_H

#include "block/qcow2/time-share.h"
#include "block/util/mutex.h"

namespace qcow2 {

class Image;

// Any thread. The caller must not hold the metadata lock. Never fails: space that is not returned
// is reused, or lost at worst.
class SpaceReturn {
public:
  explicit SpaceReturn(Image& image);

  // Returns all space that is free now. Stops after `at_most`, and does nothing while another
  // thread does the same.
  void return_all(TimeShare::Clock::duration at_most);
  // Returns as much space as punching's share of the time allows now. Space freed by overwriting is
  // kept for a while, because most of it is reused by then.
  void return_some();

private:
  void punch(TimeShare::Clock::duration at_most);

  Image& image_;
  block::Mutex mutex_;
  // Guarded by mutex_:
  TimeShare punching_ GUARDED_BY(mutex_);
  TimeShare::Clock::time_point aged_ GUARDED_BY(mutex_) = TimeShare::Clock::now();
};

} // namespace qcow2

#endif
