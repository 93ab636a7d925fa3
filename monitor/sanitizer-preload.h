// For builds with a sanitizer: nbdkit must be started with the sanitizer's library.
#ifndef MONITOR_SANITIZER_PRELOAD_H
#define MONITOR_SANITIZER_PRELOAD_H

namespace monitor {

// In a build with AddressSanitizer or ThreadSanitizer, sets LD_PRELOAD so that a program that was
// built without it can load our plugin. Otherwise does nothing.
void preload_sanitizer();

} // namespace monitor

#endif
