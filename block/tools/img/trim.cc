// dedup-img trim: returns the unused space of an image's file to the host.
#include "block/tools/common/command-line.h"
#include "block/tools/common/file-names.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/progress.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tools::img {
namespace {

using block::Result;

struct TrimJob {
  ImageName name;
  bool progress = false;
  bool quiet = false;
  bool json = false;
};

struct Trimmed {
  std::string filename, format;
  std::uint64_t returned_bytes = 0;
};

Result<Trimmed> trim(block::Node& node, const TrimJob& job) {
  Trimmed trimmed{node.filename(), node.driver().format_name, 0};
  std::optional<std::uint64_t> before = allocated_bytes(node.filename());
  ProgressLine progress(job.progress);
  BLOCK_TRY_ASSIGN(trimmed.returned_bytes,
                   node.trim([&progress](std::uint64_t done, std::uint64_t total) {
                     progress.update(done, total);
                   }));
  progress.finish();
  // A part of the free space may have been holes before. For a device the difference is unknown.
  std::optional<std::uint64_t> after = allocated_bytes(node.filename());
  if (before && after) trimmed.returned_bytes = *before - std::min(*before, *after);
  return trimmed;
}

void print(const Trimmed& trimmed, bool json) {
  if (!json) {
    std::printf("%s (%" PRIu64 " bytes) returned to the host.\n",
                format_size(trimmed.returned_bytes).c_str(), trimmed.returned_bytes);
    return;
  }
  nlohmann::ordered_json object = {{"returned-bytes", trimmed.returned_bytes},
                                   {"filename", trimmed.filename},
                                   {"format", trimmed.format}};
  std::printf("%s\n", json_text(object).c_str());
}

} // namespace

int trim_command(int argc, char** argv) {
  constexpr int image_opts = 256, output = 257;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {image_opts, "image-opts", false},
                                  {output, "output", true}});
  if (!line) return 1;
  if (line->has('h')) return print_help("trim");
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  TrimJob job;
  job.quiet = line->has('q');
  job.progress = line->has('p') && !job.quiet;
  if (!parse_output_format(line->value(output).value_or("human"), job.json)) return 1;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, job.name)) return 1;
  block::Graph graph;
  auto image = open_image(graph, job.name, {.write = true, .no_backing = true, .for_check = true});
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + job.name.name + "'"));
    return 1;
  }
  Result<Trimmed> trimmed = trim(image->node(), job);
  if (!trimmed)
    report_error(std::move(trimmed).error().context("Could not trim '" + job.name.name + "'"));
  *image = Image();
  if (!close_graph(graph) || !trimmed) return 1;
  if (!job.quiet || job.json) print(*trimmed, job.json);
  return 0;
}

} // namespace tools::img
