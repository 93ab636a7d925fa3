// Making images: the file first, then what the format writes into it.
#include "block/graph.h"

namespace block {

Result<Preallocation> parse_preallocation(const std::string& text) {
  if (text == "off") return Preallocation::off;
  if (text == "metadata") return Preallocation::metadata;
  if (text == "falloc") return Preallocation::falloc;
  if (text == "full") return Preallocation::full;
  return Error(ErrorKind::invalid_argument, "Invalid parameter '" + text + "'");
}

Result<void> create_image(const std::string& format, const std::string& filename, Options options) {
  DriverRegistry& registry = DriverRegistry::instance();
  BLOCK_TRY_ASSIGN(const BlockDriver* driver, registry.find(format));
  if (!driver->create)
    return Error(ErrorKind::unsupported,
                 "Format driver '" + format + "' does not support image creation");
  if (!options.contains("size"))
    return Error(ErrorKind::invalid_argument, "Image creation needs a size parameter");

  Options file_options = options_for_filename(filename, "").take_children("file");
  const std::string protocol_name = file_options.entries().at("driver");
  BLOCK_TRY_ASSIGN(const BlockDriver* protocol, registry.find(protocol_name));
  if (!protocol->create_file)
    return Error(ErrorKind::unsupported,
                 "Protocol driver '" + protocol_name + "' does not support image creation");
  BLOCK_TRY(protocol->create_file(filename, options));

  Graph graph;
  BLOCK_TRY_ASSIGN(std::shared_ptr<Node> file, graph.open(std::move(file_options), {}));
  BLOCK_TRY(driver->create(*file, options));
  BLOCK_TRY(options.expect_empty("Block format '" + format + "'"));
  return graph.close_all();
}

} // namespace block
