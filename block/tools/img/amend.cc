// dedup-img amend: changes format options of an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/img/command.h"
#include "block/tools/img/create-options.h"

namespace tools::img {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

// Returns the options that amend supports for the image, whose format may have to be probed. Opens
// the image read-only, so that it is not repaired before the options are known to be valid.
Result<CreateOptions> options_for(const ImageName& name, const CacheMode& cache) {
  block::Graph graph;
  auto image = open_image(graph, name, {.no_backing = true, .cache = cache});
  if (!image) return std::move(image).error().context("Could not open '" + name.name + "'");
  return CreateOptions::for_amend((*image)->driver());
}

// Amend produces an image that create could have produced, so create's check of the values applies.
Result<void> check(CreateOptions& options) {
  BLOCK_TRY(options.check());
  if (!options.format().check_create_options) return {};
  block::Options checked = options.given();
  checked.set_default("size", "0");
  return options.format().check_create_options(checked);
}

Result<void> amend(block::Graph& graph, const ImageName& name, const CacheMode& cache,
                   const CreateOptions& options) {
  auto image = open_image(graph, name, {.write = true, .cache = cache});
  if (!image) return std::move(image).error().context("Could not open '" + name.name + "'");
  block::Options given = options.given();
  BLOCK_TRY((*image)->amend(given));
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
  const bool help = CreateOptions::ask_for_help(line->values('o'));
  if (auto format = line->value('f'); format && help)
    return print_options_help(CreateOptions::for_amend(*format));
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  ImageName name;
  CacheMode cache;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, name) ||
      !parse_cache_option(line->value('t'), "cache", cache))
    return 1;
  Result<void> done;
  auto options = options_for(name, cache);
  if (help) return print_options_help(options);
  if (!options) done = std::move(options).error();
  for (const std::string& list : line->values('o'))
    if (done) done = options->add(list);
  if (done) done = check(*options);
  block::Graph graph;
  if (done) done = amend(graph, name, cache, *options);
  if (!done) report_error(done.error());
  return close_graph(graph) && done ? 0 : 1;
}

} // namespace tools::img
