// The symbols that a driver module exports, and the stamp that the loader compares before it calls
// any function of the module.
#ifndef BLOCK_MODULE_H
#define BLOCK_MODULE_H

#include "block/driver.h"
#include "block/stamp.h" // generated: BLOCK_MODULE_STAMP, a digest of headers and compiler

// Use it in exactly one file of a module, outside any namespace: BLOCK_MODULE(driver_table). The
// stamp is plain text after a mark, so that the loader can find and read it in any file, however
// the module was built.
#define BLOCK_MODULE_MARK "block-module-stamp:"
#define BLOCK_MODULE(driver)                                                                       \
  extern "C" __attribute__((visibility("default"))) const char block_module_stamp[];               \
  const char block_module_stamp[] = BLOCK_MODULE_MARK BLOCK_MODULE_STAMP;                          \
  extern "C" __attribute__((visibility("default"))) const block::BlockDriver*                      \
  block_module_driver() {                                                                          \
    return &(driver);                                                                              \
  }

#endif
