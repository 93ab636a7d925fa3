// dedup-img dedup: deduplicates the existing content of an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/ending-signal.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/progress.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"

#include <cinttypes>
#include <cstdio>
#include <thread>

namespace tools::img {
namespace {

using block::DedupInfo;
using block::DedupStatus;
using block::Error;
using block::ErrorKind;
using block::Result;

struct DedupJob {
  ImageName name;
  bool progress = false;
  std::uint64_t rate = 0; // bytes per second; 0 = no limit
};

std::string how_to_switch_on(const block::Node& node, const std::string& name) {
  if (node.driver().amend_options)
    return "Switch it on first: dedup-img amend -o dedup=sha256 '" + name + "'.";
  return "Make a deduplicated image of it: dedup-img convert -O qcow2 -o dedup=sha256 '" + name +
         "' NEW.qcow2";
}

Result<void> check_deduplicated(block::Graph& graph, const DedupJob& job) {
  BLOCK_TRY_ASSIGN(Image image, open_image(graph, job.name, {}));
  Result<DedupInfo> info = image.node().query_dedup();
  if (!info && info.error().kind() == ErrorKind::not_dedup)
    return Error(ErrorKind::not_dedup, "the image is not deduplicated")
        .with_hint(how_to_switch_on(image.node(), job.name.name));
  if (!info) return std::move(info).error();
  const std::string node_name = image.node().name();
  image = Image();
  return graph.close(node_name);
}

Result<Image> open_for_sharing(block::Graph& graph, const DedupJob& job) {
  BLOCK_TRY(check_deduplicated(graph, job));
  return open_image(graph, job.name, {.write = true});
}

// Starts the background scan of the driver and waits for its end. Returns before that if the user
// ends the program: the close then stores what the scan has done.
Result<DedupInfo> deduplicate(block::Node& node, const DedupJob& job, const EndingSignal& end) {
  ProgressLine progress(job.progress);
  BLOCK_TRY(node.resume_dedup({.scan_all = true, .scan_rate = job.rate}));
  while (true) {
    BLOCK_TRY_ASSIGN(DedupInfo info, node.query_dedup());
    if (!info.scan.error.empty()) return Error(ErrorKind::io, info.scan.error);
    if (end.came()) return info;
    if (info.status == DedupStatus::running && info.unscanned_clusters == 0) {
      progress.finish();
      return info;
    }
    progress.update(info.scan.done_bytes, info.scan.total_bytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

} // namespace

int dedup_command(int argc, char** argv) {
  constexpr int image_opts = 256;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {'r', "rate-limit", true},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("dedup");
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  DedupJob job;
  job.progress = line->has('p') && !line->has('q');
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, job.name)) return 1;
  if (line->has('r') && !parse_size_option(*line->value('r'), "rate limit", job.rate)) return 1;
  EndingSignal end;
  block::Graph graph;
  auto image = open_for_sharing(graph, job);
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + job.name.name + "'"));
    return 1;
  }
  Result<DedupInfo> done = deduplicate(image->node(), job, end);
  if (!done) report_error(done.error());
  *image = Image();
  if (!close_graph(graph) || !done) return 1;
  if (!line->has('q') && !end.came())
    std::printf("%" PRIu64 " clusters had not been looked at; %" PRIu64
                " of them are shared or zero now (%" PRIu64 " bytes).\n",
                done->scanned_clusters, done->scan_deduplicated_clusters,
                done->scan_deduplicated_clusters * done->cluster_size);
  return 0;
}

} // namespace tools::img
