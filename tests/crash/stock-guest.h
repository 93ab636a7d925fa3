// StockGuest: stock qemu-io as the writer of an image, with its own driver blklogwrites below it.
#ifndef TESTS_CRASH_STOCK_GUEST_H
#define TESTS_CRASH_STOCK_GUEST_H

#include "tests/crash/recording.h"
#include "tests/crash/tags.h"
#include "tests/support/temporary-directory.h"

namespace crash {

// Requests are gathered first, in sectors; run() makes them.
class StockGuest {
public:
  void write(std::size_t first, std::span<const Tag> tags);
  void write_zeroes(std::size_t first, std::size_t sectors, bool unmap);
  void discard(std::size_t first, std::size_t sectors);
  void flush() { script_ += "flush\n"; }

  // Opens a copy of the image, makes the requests and closes it cleanly. The recording has no model
  // of the guest. Errors: a request failed.
  Result<Recording> run(const Bytes& image);

private:
  block::TemporaryDirectory directory_;
  std::string script_;
  std::size_t writes_ = 0;
};

} // namespace crash

#endif
