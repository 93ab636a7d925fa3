// Collects and formats the facts of one image.
#include "block/tools/img/info-report.h"

#include "block/graph.h"
#include "block/tools/common/file-names.h"
#include "block/tools/common/info-text.h"
#include "block/tools/common/sizes.h"

#include <nlohmann/json.hpp>

namespace tools::img {

using Json = nlohmann::ordered_json;

Json fields_as_json(const block::InfoFields& fields) {
  Json object = Json::object();
  for (const auto& [name, value] : fields) {
    if (const auto* nested = std::get_if<block::InfoFields>(&value.value))
      object[name] = fields_as_json(*nested);
    else if (const bool* flag = std::get_if<bool>(&value.value))
      object[name] = *flag;
    else if (const auto* number = std::get_if<std::uint64_t>(&value.value))
      object[name] = *number;
    else if (const double* fraction = std::get_if<double>(&value.value))
      object[name] = *fraction;
    else
      object[name] = std::get<std::string>(value.value);
  }
  return object;
}

namespace {

std::string size_line(const char* title, std::uint64_t bytes) {
  return std::string(title) + ": " + format_size(bytes) + " (" + std::to_string(bytes) +
         " bytes)\n";
}

// Describes the file below a format. Its only fact is its size.
Json file_as_json(const ImageFacts& facts) {
  Json info = Json::object();
  if (facts.file_length) info["virtual-size"] = *facts.file_length;
  info["filename"] = facts.file_name;
  info["format"] = facts.file_driver;
  if (facts.actual_size) info["actual-size"] = *facts.actual_size;
  info["format-specific"] = {{"type", facts.file_driver}, {"data", Json::object()}};
  info["dirty-flag"] = false;
  info["children"] = Json::array();
  return info;
}

} // namespace

block::Result<ImageFacts> collect_facts(block::Node& node, const std::string& filename) {
  ImageFacts facts;
  facts.filename = filename;
  facts.format = node.driver().format_name;
  BLOCK_TRY_ASSIGN(facts.virtual_size, node.co_get_length());
  if (node.driver().get_info) {
    BLOCK_TRY_ASSIGN(facts.driver, node.get_info());
  }
  if (!facts.driver.backing_filename.empty()) {
    auto full = block::resolve_backing_filename(node.filename(), facts.driver.backing_filename);
    if (full) facts.full_backing_filename = *full;
  }
  facts.actual_size = allocated_bytes(node.filename());
  if (node.file()) {
    facts.file_name = node.file()->filename();
    facts.file_driver = node.file()->driver().format_name;
    auto length = node.file()->co_get_length();
    if (length) facts.file_length = *length;
  }
  return facts;
}

std::string facts_as_text(const ImageFacts& facts) {
  const block::DriverInfo& driver = facts.driver;
  std::string text = "image: " + facts.filename + "\nfile format: " + facts.format + "\n" +
                     size_line("virtual size", facts.virtual_size) + "disk size: " +
                     (facts.actual_size ? format_size(*facts.actual_size) : "unavailable") + "\n";
  if (driver.cluster_size != 0)
    text += "cluster_size: " + std::to_string(driver.cluster_size) + "\n";
  if (driver.dirty) text += "cleanly shut down: no\n";
  if (!driver.backing_filename.empty()) {
    text += "backing file: " + driver.backing_filename;
    if (facts.full_backing_filename.empty())
      text += " (cannot determine actual path)";
    else if (facts.full_backing_filename != driver.backing_filename)
      text += " (actual path: " + facts.full_backing_filename + ")";
    text += "\n";
    if (!driver.backing_format.empty())
      text += "backing file format: " + driver.backing_format + "\n";
  }
  if (!driver.format_specific.empty())
    text += "Format specific information:\n" + format_fields(driver.format_specific, 4);
  if (!facts.file_name.empty()) {
    text += "Child node '/file':\n    filename: " + facts.file_name +
            "\n    protocol type: " + facts.file_driver + "\n";
    if (facts.file_length) text += "    " + size_line("file length", *facts.file_length);
    if (facts.actual_size) text += "    disk size: " + format_size(*facts.actual_size) + "\n";
  }
  return text;
}

Json facts_as_json(const ImageFacts& facts) {
  const block::DriverInfo& driver = facts.driver;
  Json info = Json::object();
  if (!driver.backing_format.empty()) info["backing-filename-format"] = driver.backing_format;
  info["virtual-size"] = facts.virtual_size;
  info["filename"] = facts.filename;
  if (driver.cluster_size != 0) info["cluster-size"] = driver.cluster_size;
  info["format"] = facts.format;
  if (facts.actual_size) info["actual-size"] = *facts.actual_size;
  if (!driver.format_specific.empty())
    info["format-specific"] = {{"type", facts.format},
                               {"data", fields_as_json(driver.format_specific)}};
  if (!driver.backing_filename.empty()) {
    if (!facts.full_backing_filename.empty())
      info["full-backing-filename"] = facts.full_backing_filename;
    info["backing-filename"] = driver.backing_filename;
  }
  info["dirty-flag"] = driver.dirty;
  // Comes last, because scripts take the first "virtual-size" of the text as that of the image.
  info["children"] = Json::array();
  if (!facts.file_name.empty())
    info["children"].push_back({{"name", "file"}, {"info", file_as_json(facts)}});
  return info;
}

} // namespace tools::img
