// A library that does nothing but allocate, before any other library begins.
//
// A preloaded AddressSanitizer starts at the process's first allocation. In nbdkit that is one of
// libp11-kit's, made while it holds a lock of the C library that the sanitizer's start takes and
// releases too; at its end the process then waits for that lock for ever. Linked with "-z
// initfirst" and preloaded, this library makes the first allocation instead.
#include <cstdlib>

namespace {

__attribute__((constructor)) void allocate() {
  void* volatile memory = std::malloc(1);
  std::free(memory);
}

} // namespace
