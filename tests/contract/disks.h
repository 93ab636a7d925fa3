// Every driver that has to keep the contract of include/block/driver.h. A new driver is added here.
#ifndef TESTS_CONTRACT_DISKS_H
#define TESTS_CONTRACT_DISKS_H

#include "tests/contract/factory.h"

#include <vector>

namespace block {

std::vector<DriverUnderTest> drivers_under_test();

} // namespace block

#endif
