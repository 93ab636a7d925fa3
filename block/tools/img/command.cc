// Functions that the subcommands share.
#include "block/tools/img/command.h"

#include "block/tools/common/program.h"

#include <nlohmann/json.hpp>

namespace tools::img {

bool parse_output_format(const std::string& text, bool& json) {
  json = text == "json";
  if (json || text == "human") return true;
  report_error("--output must be used with human or json as argument.");
  return false;
}

bool parse_image_name(const CommandLine& line, const std::string& operand, int format,
                      int image_opts, ImageName& name) {
  name = ImageName{operand, line.value(format).value_or(""), line.has(image_opts)};
  if (!name.image_opts || name.format.empty()) return true;
  report_error("--image-opts and --format are mutually exclusive");
  return false;
}

bool parse_cache_option(const std::optional<std::string>& text, const std::string& what,
                        CacheMode& mode) {
  if (!text) return true;
  block::Result<CacheMode> parsed = parse_cache_mode(*text);
  if (parsed)
    mode = *parsed;
  else
    report_error("Invalid " + what + " option: " + *text);
  return parsed.ok();
}

std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(4, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool close_graph(block::Graph& graph) {
  block::Result<void> closed = graph.close_all();
  if (!closed) report_error(closed.error());
  return closed.ok();
}

} // namespace tools::img
