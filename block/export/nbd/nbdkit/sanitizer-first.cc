// A library that makes the first allocation of a process, before any other library is initialised.
//
// A preloaded AddressSanitizer initialises itself at the first allocation. In nbdkit, libp11-kit
// makes this allocation while it holds a lock of the C library. The initialisation of the sanitizer
// takes and releases this lock, too. At its end, the process then waits for the lock forever. This
// library is linked with "-z initfirst" and preloaded, so it makes the first allocation instead.
#include <cstdlib>

namespace {

__attribute__((constructor)) void allocate() {
  void* volatile memory = std::malloc(1);
  std::free(memory);
}

} // namespace
