// Finding the library of the sanitizer this program runs with.
#include "monitor/sanitizer-preload.h"

#include <cstdlib>
#include <dlfcn.h>
#include <initializer_list>

namespace monitor {

void preload_sanitizer() {
  for (const char* symbol : {"__asan_init", "__tsan_init"}) {
    Dl_info library{};
    void* address = dlsym(RTLD_DEFAULT, symbol);
    if (address && dladdr(address, &library) != 0) setenv("LD_PRELOAD", library.dli_fname, 1);
  }
}

} // namespace monitor
