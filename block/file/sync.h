// FileSync: makes a file durable, and keeps the first failure for good.
//
// After a failed write-back the kernel treats the lost pages as clean, and reports the loss once to
// each open file. If another caller takes that report, the next flush succeeds. Three rules ensure
// that no sync() that covers a lost write ever succeeds:
//   1. The descriptor is an open file of its own, and only sync() uses it. So no other call
//      (a write with O_DSYNC, a write over NFS, a direct read) takes the report.
//   2. One fdatasync() runs at a time, and its failure is recorded before the next sync()
//      continues. So the second of two concurrent calls returns the error of the first.
//   3. A recorded failure stays. Only opening the file anew clears it.
#ifndef BLOCK_FILE_SYNC_H
#define BLOCK_FILE_SYNC_H

#include "block/result.h"
#include "block/util/descriptor.h"
#include "block/util/mutex.h"

#include <atomic>

namespace block {

class FileSync {
public:
  // To be called before the first sync(). `file`: a descriptor of the open file.
  Result<void> open(int file);

  // Makes every write durable that returned before the call, through any descriptor, of this
  // process or of an earlier one. Concurrent calls share one fdatasync(). Any thread. Errors: those
  // of the system, from this call or from an earlier one.
  Result<void> sync() EXCLUDES(mutex_);
  // Returns the error that sync() returns from now on, if there is one.
  Result<void> failure() const;

private:
  Descriptor descriptor_;
  std::atomic<std::uint64_t> asked_{0}; // calls of sync()
  std::atomic<int> failed_{0};          // errno value of the fdatasync() that failed; 0 = none has
  Mutex mutex_;
  std::uint64_t done_ GUARDED_BY(mutex_) = 0; // how many of asked_ are covered by an fdatasync()
};

} // namespace block

#endif
