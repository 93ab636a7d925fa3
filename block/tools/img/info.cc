// dedup-img info: prints the facts of an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/img/command.h"
#include "block/tools/img/info-report.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

namespace tools::img {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

// The maximum length of a backing chain. A longer one is hostile or a mistake.
constexpr std::size_t longest_chain = 1000;

Result<ImageFacts> examine(const ImageName& name, bool force_share) {
  block::Graph graph;
  auto image = open_image(graph, name, {.force_share = force_share, .no_backing = true});
  if (!image) return std::move(image).error().context("Could not open '" + name.name + "'");
  bool plain_path = !name.image_opts && !name.name.starts_with("json:");
  std::string shown = plain_path && (*image)->filename().empty() ? name.name : (*image)->filename();
  return collect_facts(image->node(), shown);
}

Result<std::vector<ImageFacts>> examine_chain(ImageName name, bool chain, bool force_share) {
  std::vector<ImageFacts> all;
  std::set<std::string> seen;
  for (;;) {
    if (!seen.insert(name.name).second || seen.size() > longest_chain)
      return Error(ErrorKind::invalid_argument,
                   "Backing file '" + name.name + "' creates an infinite loop.");
    BLOCK_TRY_ASSIGN(ImageFacts facts, examine(name, force_share));
    name = ImageName{facts.full_backing_filename, facts.driver.backing_format, false};
    all.push_back(std::move(facts));
    if (!chain || name.name.empty()) return all;
  }
}

} // namespace

int info_command(int argc, char** argv) {
  constexpr int backing_chain = 256, output = 257, image_opts = 258;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'U', "force-share", false},
                                  {backing_chain, "backing-chain", false},
                                  {output, "output", true},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("info");
  bool json = false;
  if (!parse_output_format(line->value(output).value_or("human"), json)) return 1;
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  ImageName name;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, name)) return 1;

  bool chain = line->has(backing_chain);
  auto all = examine_chain(name, chain, line->has('U'));
  if (!all) {
    report_error(all.error());
    return 1;
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ImageFacts& facts : *all) {
    if (json)
      list.push_back(facts_as_json(facts));
    else
      std::printf("%s%s", &facts == &all->front() ? "" : "\n", facts_as_text(facts).c_str());
  }
  if (json) std::printf("%s\n", json_text(chain ? list : list[0]).c_str());
  return 0;
}

} // namespace tools::img
