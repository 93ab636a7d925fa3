// Controls malloc with glibc's mallopt() and malloc_trim().
#include "monitor/freed-memory.h"

#include <cstdlib>
#include <malloc.h>

namespace monitor {

void limit_malloc_arenas() {
  if (!std::getenv("MALLOC_ARENA_MAX")) mallopt(M_ARENA_MAX, 1);
}

void return_freed_memory() {
  malloc_trim(0);
}

} // namespace monitor
