// Freed memory: glibc's malloc_trim() and mallopt().
#include "monitor/freed-memory.h"

#include <algorithm>
#include <malloc.h>
#include <thread>

namespace monitor {

void limit_malloc_arenas() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
}

void return_freed_memory() {
  malloc_trim(0);
}

} // namespace monitor
