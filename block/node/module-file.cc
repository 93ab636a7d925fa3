// Finds the stamp of a module file by its mark, without loading the file.
#include "block/node/module-file.h"

#include "block/module.h"

#include <algorithm>
#include <cstring>
#include <glib.h>
#include <memory>
#include <string_view>

namespace block {
namespace {

constexpr std::size_t max_stamp_length = 256;

} // namespace

Result<void> check_module_stamp(const std::string& path) {
  const std::string what = "Module '" + path + "'";
  GError* problem = nullptr;
  std::unique_ptr<GMappedFile, decltype(&g_mapped_file_unref)> file(
      g_mapped_file_new(path.c_str(), FALSE, &problem), g_mapped_file_unref);
  if (!file) {
    const bool absent = g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    Error error(absent ? ErrorKind::not_found : ErrorKind::invalid_argument,
                what + ": " + problem->message);
    g_error_free(problem);
    return error;
  }
  const char* contents = g_mapped_file_get_contents(file.get());
  const std::string_view bytes(contents ? contents : "", g_mapped_file_get_length(file.get()));
  const std::size_t mark = bytes.find(BLOCK_MODULE_MARK);
  if (mark == std::string_view::npos)
    return Error(ErrorKind::invalid_argument, what + " is not a block driver module");
  std::string_view stamp = bytes.substr(mark + std::strlen(BLOCK_MODULE_MARK), max_stamp_length);
  stamp = stamp.substr(0, stamp.find('\0'));
  if (stamp != BLOCK_MODULE_STAMP)
    return Error(ErrorKind::unsupported, what + " was built for '" + std::string(stamp) +
                                             "', this program is '" + BLOCK_MODULE_STAMP + "'");
  return {};
}

} // namespace block
