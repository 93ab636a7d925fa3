// What the contract suite needs to know of a driver to put it to the test.
#ifndef TESTS_CONTRACT_FACTORY_H
#define TESTS_CONTRACT_FACTORY_H

#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <ostream>

namespace block {

// Makes one disk for a test and opens it as often as asked, one at a time.
class Disk {
public:
  virtual ~Disk() = default;
  virtual Options options() = 0;
  // The memory below the driver if there is any, for faults and for power cuts.
  virtual std::shared_ptr<MemoryFile> memory() { return nullptr; }
};

struct DriverUnderTest {
  const char* name;
  // A disk of that many bytes, all zeros.
  std::unique_ptr<Disk> (*make)(std::uint64_t bytes);
  bool keeps_data = true; // what is written is read back
  bool grows = false;     // a write beyond the end makes the node longer
  bool truncates = true;
  bool over_memory = false; // its disks have a memory()
};

inline std::ostream& operator<<(std::ostream& stream, const DriverUnderTest& driver) {
  return stream << driver.name;
}

} // namespace block

#endif
