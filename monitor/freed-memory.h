// Returns freed memory to the system. glibc's malloc gives threads up to eight arenas per
// processor, and freed memory stays in its arena: malloc_trim() cuts the end of the first arena
// only. A daemon whose threads come and go with connections would otherwise grow to many times the
// memory that it needs, in ever smaller steps.
#ifndef MONITOR_FREED_MEMORY_H
#define MONITOR_FREED_MEMORY_H

namespace monitor {

// Makes all threads of the process share the first arena. Small allocations still come from each
// thread's own cache. To be called before the process has threads. MALLOC_ARENA_MAX in the
// environment takes precedence.
void limit_malloc_arenas();

// Returns freed memory to the system. Takes time in proportion to the number of freed pieces, and
// blocks malloc() of other threads meanwhile. Any thread.
void return_freed_memory();

} // namespace monitor

#endif
