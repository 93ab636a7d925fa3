// Freed memory: how it goes back to the system. malloc(3) of glibc gives threads up to eight arenas
// per processor, and what they free stays there: malloc_trim() cuts the end of the first arena
// only. A daemon whose threads come and go with connections would grow to many times its need, in
// ever smaller steps.
#ifndef MONITOR_FREED_MEMORY_H
#define MONITOR_FREED_MEMORY_H

namespace monitor {

// All threads share the first arena; small pieces come from each thread's own cache all the same.
// Of the whole process, and to be called before it has threads. MALLOC_ARENA_MAX in the environment
// goes first.
void limit_malloc_arenas();

// Takes time in proportion to the number of freed pieces, while it holds up other threads'
// malloc(); any thread.
void return_freed_memory();

} // namespace monitor

#endif
