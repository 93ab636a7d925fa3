// Driver "memory" over MemoryFile.
#ifndef TESTS_SUPPORT_MEMORY_DRIVER_H
#define TESTS_SUPPORT_MEMORY_DRIVER_H

namespace block {

// Makes the driver known to this process; any number of times.
void register_memory_driver();

} // namespace block

#endif
