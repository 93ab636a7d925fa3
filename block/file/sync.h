// FileSync: makes a file durable, and remembers for good when that failed.
//
// After a failed write-back the kernel takes the lost pages for clean, and reports the loss once to
// each open file. If another caller takes that report, the next flush succeeds. Three
// rules ensure that no sync() that covers a lost write ever succeeds:
//   1. The descriptor here is an open file of its own, and nothing but sync() uses it. So no other
//      call (a write with O_DSYNC, a write over NFS, a direct read) takes the report.
//   2. One fdatasync() runs at a time, and its failure is recorded before the next sync() goes on.
//      So of two syncs that meet, the second one sees what the first was told.
//   3. What is recorded stays: only opening the file anew begins anew.
#ifndef BLOCK_FILE_SYNC_H
#define BLOCK_FILE_SYNC_H

#include "block/result.h"
#include "block/util/descriptor.h"
#include "block/util/mutex.h"

#include <atomic>

namespace block {

class FileSync {
public:
  // Before the first sync(). `file`: a descriptor of the open file.
  Result<void> open(int file);

  // Makes every write durable that returned before the call, on whatever descriptor, in this
  // process or in one before it. Calls that wait for each other share one fdatasync(). Any thread.
  // Errors: what the system says, now or at an earlier call.
  Result<void> sync() EXCLUDES(mutex_);
  // The error that sync() will return from now on, if there is one.
  Result<void> failure() const;

private:
  Descriptor descriptor_;
  std::atomic<std::uint64_t> asked_{0}; // calls of sync()
  std::atomic<int> failed_{0};          // errno value of the fdatasync() that failed; 0 = none has
  Mutex mutex_;
  std::uint64_t done_ GUARDED_BY(mutex_) = 0; // of asked_, those that an fdatasync() covered
};

} // namespace block

#endif
