// Examines a backing file before an image is created on it.
#include "block/tools/img/backing.h"

#include "block/tools/common/file-names.h"
#include "block/tools/common/image.h"

#include <filesystem>

namespace tools::img {

using block::Error;
using block::ErrorKind;
using block::Result;

Error image_is_its_backing() {
  return Error(ErrorKind::invalid_argument,
               "Error: Trying to create an image with the same filename as the backing file");
}

Result<std::uint64_t> examine_backing(const std::string& image, const std::string& backing,
                                      const std::string& format) {
  ImageName name{backing, format, false};
  if (!is_json_name(backing) && block::protocol_of(backing).empty()) {
    BLOCK_TRY_ASSIGN(name.name, block::resolve_backing_filename(image, backing));
  }
  block::Graph graph;
  auto opened = open_image(graph, name, ImageUse{});
  if (!opened) return std::move(opened).error().with_hint("Could not open backing image.");
  std::error_code failed; // set if one of the two is not a file; then they differ
  if (std::filesystem::equivalent((*opened)->filename(), image, failed))
    return image_is_its_backing();
  if (format.empty())
    return Error(ErrorKind::invalid_argument, "Backing file specified without backing format")
        .with_hint(std::string("Detected format of ") + (*opened)->driver().format_name + ".");
  return (*opened)->co_get_length();
}

} // namespace tools::img
