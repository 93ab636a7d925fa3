// dedup-img amend: changes format options of an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/img/command.h"
#include "block/tools/img/create-options.h"

#include <cstdio>

namespace tools::img {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

Result<void> amend(block::Node& node, CreateOptions& options) {
  BLOCK_TRY(options.check());
  block::Options given = options.given();
  BLOCK_TRY(node.amend(given));
  if (!given.entries().empty())
    return Error(ErrorKind::unsupported,
                 "Option '" + given.entries().begin()->first + "' cannot be amended");
  return {};
}

} // namespace

int amend_command(int argc, char** argv) {
  constexpr int image_opts = 256, force = 257;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'o', nullptr, true},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {'t', "cache", true},
                                  {force, "force", false},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("amend");
  if (line->values('o').empty()) {
    report_usage_error("Must specify options (-o)");
    return 1;
  }
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  ImageName name;
  CacheMode cache;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, name) ||
      !parse_cache_option(line->value('t'), "cache", cache))
    return 1;
  block::Graph graph;
  auto image = open_image(graph, name, {.write = true, .cache = cache});
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + name.name + "'"));
    return 1;
  }
  Result<void> done;
  auto options = CreateOptions::for_amend(image->node().driver());
  if (!options) done = std::move(options).error();
  for (const std::string& list : line->values('o'))
    if (done) done = options->add(list);
  if (done && options->asks_for_help()) {
    std::printf("%s", options->help().c_str());
    return 0;
  }
  if (done) done = amend(image->node(), *options);
  if (!done) report_error(done.error());
  *image = Image();
  return close_graph(graph) && done ? 0 : 1;
}

} // namespace tools::img
