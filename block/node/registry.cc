// DriverRegistry: drivers by name, loaded from modules.
#include "block/graph.h"
#include "block/node/module-file.h"
#include "block/util/mutex.h"

#include <algorithm>
#include <cctype>
#include <dlfcn.h>
#include <filesystem>
#include <glib.h>
#include <gmodule.h>
#include <map>

namespace block {
namespace {

constexpr const char* module_prefix = "block-";
constexpr const char* module_suffix = ".so";

bool is_format_name(const std::string& name) {
  auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

} // namespace

// The drivers of this process, by name. One lock guards all of it: a request for a driver waits
// while another thread loads it.
class DriverRegistry::Drivers {
public:
  Result<void> load(const std::string& path) REQUIRES(mutex) {
    BLOCK_TRY(check_module_stamp(path));
    const std::string what = "Module '" + path + "'";
    GModule* module = g_module_open(path.c_str(), G_MODULE_BIND_LOCAL);
    if (!module) return Error(ErrorKind::invalid_argument, what + ": " + g_module_error());
    gpointer symbol = nullptr;
    if (!g_module_symbol(module, "block_module_driver", &symbol) || !symbol) {
      g_module_close(module);
      return Error(ErrorKind::invalid_argument, what + " is not a block driver module");
    }
    g_module_make_resident(module);
    const BlockDriver* driver = reinterpret_cast<const BlockDriver* (*)()>(symbol)();
    auto [known, added] = by_name.emplace(driver->format_name, driver);
    if (!added && known->second != driver)
      return Error(ErrorKind::exists,
                   what + ": there is a driver '" + driver->format_name + "' already");
    return {};
  }

  // Loads the modules of the directory, once. Modules that are added later are still found by name.
  Result<void> load_directory(const std::string& directory) REQUIRES(mutex) {
    if (directory_is_loaded) return {};
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(directory, failed), end; !failed && entry != end;
         entry.increment(failed)) {
      const std::string name = entry->path().filename().string();
      if (!name.starts_with(module_prefix) || !name.ends_with(module_suffix)) continue;
      // One module that cannot be used must not prevent the use of the others.
      Result<void> loaded = load(entry->path().string());
      if (!loaded) g_warning("%s", loaded.error().message().c_str());
    }
    if (failed)
      return Error(ErrorKind::io, "Module directory '" + directory + "': " + failed.message());
    directory_is_loaded = true;
    return {};
  }

  Mutex mutex;
  bool directory_is_loaded GUARDED_BY(mutex) = false;
  std::map<std::string, const BlockDriver*> by_name GUARDED_BY(mutex);
};

DriverRegistry::DriverRegistry() : drivers_(std::make_unique<Drivers>()) {}

DriverRegistry::~DriverRegistry() = default;

DriverRegistry& DriverRegistry::instance() {
  static DriverRegistry registry;
  return registry;
}

std::string DriverRegistry::module_directory() {
  Dl_info library;
  if (dladdr(reinterpret_cast<void*>(&DriverRegistry::instance), &library) == 0) return ".";
  std::error_code failed;
  std::filesystem::path path = std::filesystem::canonical(library.dli_fname, failed);
  return failed ? "." : path.parent_path().string();
}

Result<const BlockDriver*> DriverRegistry::find(const std::string& format_name) {
  MutexGuard hold(drivers_->mutex);
  if (auto known = drivers_->by_name.find(format_name); known != drivers_->by_name.end())
    return known->second;
  const Error unknown(ErrorKind::not_found, "Unknown driver '" + format_name + "'");
  if (!is_format_name(format_name)) return unknown;
  const std::string path = module_directory() + "/" + module_prefix + format_name + module_suffix;
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return unknown;
  BLOCK_TRY(drivers_->load(path));
  auto loaded = drivers_->by_name.find(format_name);
  if (loaded == drivers_->by_name.end()) return unknown;
  return loaded->second;
}

Result<void> DriverRegistry::load_module(const std::string& path) {
  MutexGuard hold(drivers_->mutex);
  return drivers_->load(path);
}

void DriverRegistry::add(const BlockDriver& driver) {
  MutexGuard hold(drivers_->mutex);
  drivers_->by_name.insert_or_assign(driver.format_name, &driver);
}

Result<std::vector<const BlockDriver*>> DriverRegistry::load_all() {
  MutexGuard hold(drivers_->mutex);
  BLOCK_TRY(drivers_->load_directory(module_directory()));
  std::vector<const BlockDriver*> all;
  for (const auto& [name, driver] : drivers_->by_name)
    all.push_back(driver);
  return all;
}

Result<const BlockDriver*> DriverRegistry::probe(std::span<const std::byte> head) {
  BLOCK_TRY_ASSIGN(std::vector<const BlockDriver*> all, load_all());
  const BlockDriver* surest = nullptr;
  int surest_score = 0;
  for (const BlockDriver* driver : all) {
    const int score = driver->probe ? driver->probe(head) : 0;
    if (score > surest_score) {
      surest = driver;
      surest_score = score;
    }
  }
  if (surest) return surest;
  return find("raw");
}

} // namespace block
