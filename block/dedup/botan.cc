// Botan's hashes, loaded when an image first needs one. Together with its own libraries, Botan
// costs more time and memory at the start than the rest of the driver, and few images use it.
#include "block/dedup/hash-functions.h"

#include "block/graph.h"

#include <gmodule.h>

namespace dedup {
namespace {

// Returns null if the module is not installed, or lacks the function.
HashFunction* function_of_module(const char* name) {
  const std::string path = block::DriverRegistry::module_directory() + "/dedup-botan.so";
  GModule* module = g_module_open(path.c_str(), G_MODULE_BIND_LOCAL);
  if (!module) return nullptr;
  g_module_make_resident(module);
  gpointer symbol = nullptr;
  if (!g_module_symbol(module, name, &symbol) || !symbol) return nullptr;
  return reinterpret_cast<HashFunction* (*)()>(symbol)();
}

} // namespace

HashFunction* skein_256_function() {
  static HashFunction* const function = function_of_module("dedup_botan_skein_256");
  return function;
}

HashFunction* blake2b_256_function() {
  static HashFunction* const function = function_of_module("dedup_botan_blake2b_256");
  return function;
}

} // namespace dedup
