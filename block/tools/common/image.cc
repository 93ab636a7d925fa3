// Opening images by name or options.
#include "block/tools/common/image.h"

#include "block/tools/common/file-names.h"
#include "block/tools/common/program.h"
#include "qapi/command-line.h"

namespace tools {

using block::Error;
using block::ErrorKind;
using block::Options;
using block::Result;

Result<CacheMode> parse_cache_mode(const std::string& text) {
  if (text == "writeback") return CacheMode{};
  if (text == "writethrough") return CacheMode{.write_through = true};
  if (text == "none" || text == "off") return CacheMode{.direct = true};
  if (text == "directsync") return CacheMode{.write_through = true, .direct = true};
  if (text == "unsafe") return CacheMode{.no_flush = true};
  return Error(ErrorKind::invalid_argument, "Invalid cache option: " + text);
}

Result<Options> options_of(const ImageName& name) {
  if (name.image_opts) {
    BLOCK_TRY_ASSIGN(Options options, Options::parse(name.name));
    return options;
  }
  if (is_json_name(name.name)) {
    std::string_view text(name.name);
    Result<Options> options = qapi::options_from_json(text.substr(text.find(':') + 1));
    if (!options) return std::move(options).error().context("Could not parse the JSON options");
    if (!name.format.empty()) options->set_default("driver", name.format);
    return options;
  }
  BLOCK_TRY(check_protocol(name.name));
  return block::options_for_filename(name.name, name.format);
}

Result<Image> open_image(block::Graph& graph, Options options, const ImageUse& use) {
  if (use.write && use.force_share)
    return Error(ErrorKind::invalid_argument,
                 "force-share=on can only be used with read-only images");
  bool probed = !options.contains("driver");
  block::Graph::OpenDefaults defaults;
  defaults.read_only = !use.write;
  defaults.force_share = use.force_share;
  defaults.no_backing = use.no_backing;
  defaults.for_check = use.for_check;
  defaults.cache_direct = use.cache.direct;
  defaults.cache_no_flush = use.cache.no_flush;
  BLOCK_TRY_ASSIGN(std::shared_ptr<block::Node> node, graph.open(std::move(options), defaults));
  block::Access access;
  access.write = use.write && !node->read_only();
  access.allow_other_writers = use.force_share;
  auto claim = block::Node::attach(node, program_name(), access);
  if (!claim) {
    Result<void> closed = graph.close(node->name());
    if (!closed) report_error(closed.error());
    return std::move(claim).error();
  }
  if (probed && access.write && std::string(node->driver().format_name) == "raw")
    report_warning("the format of '" + node->filename() +
                   "' was guessed to be raw; name it with -f raw, because a guest can write what"
                   " another format looks like");
  return Image(std::move(node), std::move(claim).value());
}

Result<Image> open_image(block::Graph& graph, const ImageName& name, const ImageUse& use) {
  BLOCK_TRY_ASSIGN(Options options, options_of(name));
  return open_image(graph, std::move(options), use);
}

} // namespace tools
