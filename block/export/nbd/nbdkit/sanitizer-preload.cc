// Finds the library of the sanitizer that this program was built with.
#include "block/export/nbd/nbdkit/sanitizer-preload.h"

#include "block/graph.h"

#include <cstdlib>
#include <dlfcn.h>
#include <initializer_list>
#include <string>

namespace exports {
namespace {

// Turns leak detection off, because nbdkit does not free the connections that it closes at its end.
void look_for_no_leaks() {
  const char* options = std::getenv("ASAN_OPTIONS");
  setenv("ASAN_OPTIONS", (std::string(options ? options : "") + ":detect_leaks=0").c_str(), 1);
}

} // namespace

void preload_sanitizer() {
  for (const char* symbol : {"__asan_init", "__tsan_init"}) {
    Dl_info library{};
    void* address = dlsym(RTLD_DEFAULT, symbol);
    if (!address || dladdr(address, &library) == 0) continue;
    const std::string preload = std::string(library.dli_fname) + " " +
                                block::DriverRegistry::module_directory() + "/sanitizer-first.so";
    setenv("LD_PRELOAD", preload.c_str(), 1);
    look_for_no_leaks();
  }
}

} // namespace exports
