// For builds with a sanitizer: nbdkit must be started with the sanitizer's library.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_SANITIZER_PRELOAD_H
#define BLOCK_EXPORT_NBD_NBDKIT_SANITIZER_PRELOAD_H

namespace exports {

// In a build with AddressSanitizer or ThreadSanitizer, sets LD_PRELOAD so that a program that was
// built without it can load our plugin. Otherwise does nothing.
void preload_sanitizer();

} // namespace exports

#endif
