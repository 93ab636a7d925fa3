// The drivers "memory" and "memory-plain", which use a MemoryFile.
#ifndef TESTS_SUPPORT_MEMORY_DRIVER_H
#define TESTS_SUPPORT_MEMORY_DRIVER_H

namespace block {

// Registers the drivers in this process. Further calls have no effect.
void register_memory_driver();

} // namespace block

#endif
