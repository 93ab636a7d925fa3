// The facts of one image, as text and as JSON, for `info`.
#ifndef BLOCK_TOOLS_IMG_INFO_REPORT_H
#define BLOCK_TOOLS_IMG_INFO_REPORT_H

#include "block/info.h"
#include "block/node.h"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace tools::img {

struct ImageFacts {
  std::string filename; // as the user, or the image above, names it
  std::string format;
  std::uint64_t virtual_size = 0; // bytes
  block::DriverInfo driver;
  std::string full_backing_filename; // seen from the working directory; empty = no such file
  std::string file_name;             // file name of the protocol node below; empty = none
  std::string file_driver;
  std::optional<std::uint64_t> file_length; // bytes
  std::optional<std::uint64_t> actual_size; // bytes that the file occupies on the file system
};

block::Result<ImageFacts> collect_facts(block::Node& node, const std::string& filename);

nlohmann::ordered_json fields_as_json(const block::InfoFields& fields);

std::string facts_as_text(const ImageFacts& facts);
nlohmann::ordered_json facts_as_json(const ImageFacts& facts);

} // namespace tools::img

#endif
