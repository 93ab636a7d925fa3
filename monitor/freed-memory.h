// Freed memory: how much of it the process may keep, and how it goes back to the system. malloc(3)
// of glibc gives each thread one of several arenas, up to eight per processor, and what a thread
// frees stays in its arena. A daemon whose threads come and go with connections would grow to
// eight times its need that way, in ever smaller steps.
#ifndef MONITOR_FREED_MEMORY_H
#define MONITOR_FREED_MEMORY_H

namespace monitor {

// As many arenas as processors. Of the whole process, in place of MALLOC_ARENA_MAX; to be called
// before its second thread begins, because glibc decides then.
void limit_malloc_arenas();

// Takes time in proportion to the number of freed pieces, while it holds up other threads'
// malloc(); any thread.
void return_freed_memory();

} // namespace monitor

#endif
