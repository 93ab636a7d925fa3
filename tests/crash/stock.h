// Stock qemu-img, the stranger that judges our images too.
#ifndef TESTS_CRASH_STOCK_H
#define TESTS_CRASH_STOCK_H

#include "tests/crash/recording.h"
#include "tests/crash/recovery.h"
#include "tests/support/temporary-directory.h"

namespace crash {

bool stock_is_installed();

struct StockCheck {
  std::uint64_t corruptions = 0, leaks = 0, check_errors = 0;
  std::string output;
};

// A copy of an image in a file, which goes with the object.
class StockImage {
public:
  explicit StockImage(const Bytes& image);

  // Repairs first, if it is to; what it finds is what is left then.
  StockCheck check(Repair repair);
  Bytes content() const;     // of the file
  Bytes raw_content() const; // what the guest sees

private:
  block::TemporaryDirectory directory_;
};

} // namespace crash

#endif
