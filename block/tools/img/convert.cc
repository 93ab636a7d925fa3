// dedup-img convert: copies images into a new or an existing one.
#include "block/job/copy-job.h"
#include "block/sector.h"
#include "block/tools/common/command-line.h"
#include "block/tools/common/file-names.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/progress.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/backing.h"
#include "block/tools/img/command.h"
#include "block/tools/img/convert-source.h"
#include "block/tools/img/create-options.h"
#include "block/tools/img/new-image.h"
#include "block/tools/img/salvage-source.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

namespace tools::img {
namespace {

using block::CopyJob;
using block::CopyPlan;
using block::Error;
using block::ErrorKind;
using block::Result;
using block::WriteOrder;

enum LongOption : int {
  image_opts = 256,
  target_image_opts,
  target_is_zero,
  salvage,
  bitmaps,
};

constexpr std::uint64_t largest_sparse_block = 16 * 1024 * 1024;
constexpr unsigned most_workers = 16;

// One worker per processor, because hashing keeps one processor busy. More workers would wait for
// each other: the page cache is written by one thread at a time. At least two, so that reading and
// writing overlap.
unsigned default_workers() {
  return std::clamp(std::thread::hardware_concurrency(), 2u, 8u);
}

struct ConvertRequest {
  std::vector<ImageName> inputs;
  ImageName output;
  std::vector<std::string> create_lists; // -o
  std::optional<std::string> backing;    // -B
  std::optional<std::string> backing_format;
  bool force_share = false;
  bool skip_create = false; // -n
  bool target_is_zero = false;
  bool quiet = false;
  bool progress = false;
  bool any_order = false; // -W
  // Cache mode of the target. An image that is created here is useless before the copy is complete,
  // so flushes before that are not needed.
  CacheMode cache;
  CacheMode source_cache;
  bool salvage = false;   // unreadable data becomes zeros, with a warning
  std::uint64_t rate = 0; // -r: bytes per second; 0 = no limit
  CopyPlan plan;
};

bool parse_workers(const std::string& text, unsigned& workers) {
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), workers);
  if (error == std::errc() && stop == text.data() + text.size() && workers >= 1 &&
      workers <= most_workers)
    return true;
  report_error("Invalid number of coroutines. Allowed number of coroutines is between 1 and " +
               std::to_string(most_workers));
  return false;
}

bool parse_sparse_block(const std::string& text, std::uint64_t& bytes) {
  if (!parse_size_option(text, "buffer size for sparse output", bytes)) return false;
  if (bytes % block::sector_bytes == 0 && bytes <= largest_sparse_block) return true;
  report_error("Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 "
               "up to " +
               std::to_string(largest_sparse_block) +
               ". Select 0 to disable sparse detection (fully allocates output).");
  return false;
}

// Parses the command line into the request. If it is invalid, prints a message on stderr and
// returns false.
bool parse_request(const CommandLine& line, ConvertRequest& request) {
  CopyPlan& plan = request.plan;
  if (line.has('c')) {
    report_error("Compression not supported for this file format");
    return false;
  }
  if (line.has('l') || line.has(bitmaps)) {
    report_error("Conversion of snapshots and bitmaps is not supported");
    return false;
  }
  if (line.has('C') && line.has('S')) {
    report_error("Cannot enable copy offloading when -S is used");
    return false;
  }
  plan.workers = default_workers();
  if (line.has('m') && !parse_workers(*line.value('m'), plan.workers)) return false;
  if (line.has('S') && !parse_sparse_block(*line.value('S'), plan.sparse_block)) return false;
  if (line.has('r') && !parse_size_option(*line.value('r'), "rate limit", request.rate))
    return false;
  request.cache.no_flush = !line.has('n');
  if (!parse_cache_option(line.value('T'), "source cache", request.source_cache) ||
      !parse_cache_option(line.value('t'), "cache", request.cache))
    return false;

  request.skip_create = line.has('n');
  request.target_is_zero = line.has(target_is_zero);
  if (request.target_is_zero && !request.skip_create) {
    report_error("--target-is-zero requires use of -n flag");
    return false;
  }
  if (line.has(target_image_opts) && !request.skip_create) {
    report_error("--target-image-opts requires use of -n flag");
    return false;
  }
  request.create_lists = line.values('o');
  if (request.skip_create && !request.create_lists.empty()) {
    report_error("-o has no effect when skipping image creation");
    return false;
  }
  request.backing = line.value('B');
  request.backing_format = line.value('F');
  request.force_share = line.has('U');
  request.quiet = line.has('q');
  request.progress = line.has('p') && !request.quiet;
  request.any_order = line.has('W');
  request.salvage = line.has(salvage);

  std::vector<std::string> names = line.operands();
  if (names.size() < 2) {
    report_error("Must specify image file name");
    return false;
  }
  bool named_format = !line.has(target_image_opts);
  if (!parse_image_name(line, names.back(), 'O', target_image_opts, request.output)) return false;
  if (named_format && request.output.format.empty()) request.output.format = "raw";
  names.pop_back();
  for (const std::string& name : names) {
    ImageName input;
    if (!parse_image_name(line, name, 'f', image_opts, input)) return false;
    request.inputs.push_back(std::move(input));
  }
  return true;
}

// Creates the output image. Errors are complete messages.
Result<NewImage> create_output(const ConvertRequest& request, CreateOptions& options,
                               std::uint64_t size) {
  const std::string& format = request.output.format;
  if (options.has("backing_file") && !options.knows("backing_file"))
    return Error(ErrorKind::invalid_argument,
                 "Backing file not supported for file format '" + format + "'");
  if (options.has("backing_file") && !options.has("backing_fmt"))
    return Error(ErrorKind::invalid_argument,
                 "Use of backing file requires explicit backing format");
  options.set("size", std::to_string(size));
  BLOCK_TRY(options.check());
  BLOCK_TRY(check_protocol(request.output.name));
  if (options.has("backing_file"))
    BLOCK_TRY(examine_backing(request.output.name, options.value("backing_file"),
                              options.value("backing_fmt")));
  Result<NewImage> made = NewImage::make(format, request.output.name, options.given());
  if (!made)
    return std::move(made).error().context(request.output.name + ": error while converting " +
                                           format);
  return made;
}

// Returns whether the node, or a node below it, deduplicates.
bool deduplicates(block::Node& node) {
  for (block::Node* each = &node; each; each = each->file())
    if (each->query_dedup()) return true;
  return false;
}

Result<void> copy(ConvertRequest& request, const ConvertSource& source, block::Node& target) {
  BLOCK_TRY_ASSIGN(std::uint64_t target_length, target.co_get_length());
  if (target_length < source.length())
    return Error(ErrorKind::invalid_argument, "output file is smaller than input file");
  CopyPlan& plan = request.plan;
  const SalvageSource salvaged(source);
  plan.source = &source;
  if (request.salvage) plan.source = &salvaged;
  plan.target = &target;
  plan.write_through = request.cache.write_through;
  if (request.target_is_zero) {
    plan.target_zero_from = 0;
  } else if (!request.skip_create && target.reads_as_zeros_when_new()) {
    plan.target_zero_from = 0;
    if (target.backing()) {
      BLOCK_TRY_ASSIGN(plan.target_zero_from, target.backing()->co_get_length());
    }
  }
  if (request.any_order)
    plan.order = WriteOrder::free;
  else if (deduplicates(target))
    plan.order = WriteOrder::overlapping; // overlapping writes let the driver hash on every core
  {
    ProgressLine progress(request.progress);
    CopyJob job("convert", "convert", plan);
    job.set_speed(request.rate);
    job.set_progress_sink([&](block::JobProgress now) { progress.update(now.current, now.total); });
    BLOCK_TRY(job.run());
    progress.finish();
  }
  // In every cache mode, the copy must be durable before the image is marked as closed cleanly.
  target.resume_flushes();
  Result<void> flushed = target.co_flush();
  if (!flushed) return std::move(flushed).error().context("error while flushing");
  return {};
}

// `made`: receives the new output image, if the command creates one.
Result<void> convert(block::Graph& graph, ConvertRequest& request, CreateOptions* options,
                     std::optional<NewImage>& made) {
  bool with_backing = request.backing || (options && options->has("backing_file"));
  if (with_backing && request.inputs.size() > 1)
    return Error(ErrorKind::invalid_argument,
                 "Having a backing file for the target makes no sense when concatenating multiple "
                 "input images");
  std::vector<Image> inputs;
  ConvertSource source(with_backing);
  for (const ImageName& name : request.inputs) {
    auto image = open_image(graph, name,
                            {.force_share = request.force_share, .cache = request.source_cache});
    if (!image) return std::move(image).error().context("Could not open '" + name.name + "'");
    BLOCK_TRY(source.append(image->node()));
    inputs.push_back(std::move(*image));
  }
  if (options) {
    BLOCK_TRY_ASSIGN(NewImage image, create_output(request, *options, source.length()));
    made.emplace(std::move(image));
  }
  auto target = open_image(graph, request.output, {.write = true, .cache = request.cache});
  if (!target)
    return std::move(target).error().context("Could not open '" + request.output.name + "'");
  return copy(request, source, target->node());
}

} // namespace

int convert_command(int argc, char** argv) {
  auto line = CommandLine::parse(argc, argv,
                                 {{'B', "backing", true},
                                  {'C', nullptr, false},
                                  {'F', "backing-format", true},
                                  {'O', "target-format", true},
                                  {'S', "sparse-size", true},
                                  {'T', "source-cache", true},
                                  {'U', "force-share", false},
                                  {'W', nullptr, false},
                                  {'c', "compress", false},
                                  {'f', "source-format", true},
                                  {'h', "help", false},
                                  {'l', "snapshot", true},
                                  {'m', "num-coroutines", true},
                                  {'n', "no-create", false},
                                  {'o', "target-format-options", true},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {'r', "rate-limit", true},
                                  {'t', "target-cache", true},
                                  {image_opts, "image-opts", false},
                                  {target_image_opts, "target-image-opts", false},
                                  {target_is_zero, "target-is-zero", false},
                                  {salvage, "salvage", false},
                                  {bitmaps, "bitmaps", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("convert");

  if (!line->has('n') && CreateOptions::ask_for_help(line->values('o')))
    return print_options_help(CreateOptions::for_format(line->value('O').value_or("raw")));

  ConvertRequest request;
  if (!parse_request(*line, request)) return 1;
  std::optional<CreateOptions> options;
  Result<void> done;
  if (!request.skip_create) {
    auto made = CreateOptions::for_format(request.output.format);
    if (made)
      options = std::move(made).value();
    else
      done = std::move(made).error();
    for (const std::string& list : request.create_lists)
      if (done) done = options->add(list);
    if (done && request.backing) options->set("backing_file", *request.backing);
    if (done && request.backing_format) options->set("backing_fmt", *request.backing_format);
  }
  std::optional<NewImage> made;
  block::Graph graph;
  if (done) done = convert(graph, request, options ? &*options : nullptr, made);
  if (!done) report_error(done.error());
  if (!close_graph(graph) || !done) return 1;
  if (made) made->keep();
  return 0;
}

} // namespace tools::img
