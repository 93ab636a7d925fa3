// dedup-img resize: changes the length of an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"

#include <cstdio>

namespace tools::img {
namespace {

using block::Preallocation;

// The new length, absolute or relative to the present one.
struct SizeChange {
  char sign = 0; // '+', '-' or 0 = absolute
  std::uint64_t bytes = 0;
};

bool parse_size_change(std::string text, SizeChange& change) {
  if (text.starts_with("+") || text.starts_with("-")) {
    change.sign = text.front();
    text.erase(0, 1);
  }
  switch (read_size(text, change.bytes, UINT64_MAX)) {
  case SizeFault::none:
    return true;
  case SizeFault::out_of_range:
    report_error("Value '" + text + "' is out of range for parameter 'size'");
    return false;
  case SizeFault::malformed:
    break;
  }
  report_error(block::Error(block::ErrorKind::invalid_argument,
                            "Parameter 'size' expects a non-negative number below 2^64")
                   .with_hint("Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, "
                              "tera-, peta-\nand exabytes, respectively."));
  return false;
}

struct ResizeJob {
  ImageName name;
  SizeChange change;
  Preallocation preallocation = Preallocation::off;
  bool shrink = false;
};

// Returns the new length in bytes, or 0 if the change is invalid.
std::uint64_t new_length(const SizeChange& change, std::uint64_t length) {
  if (change.sign == '+') return change.bytes > INT64_MAX - length ? 0 : length + change.bytes;
  if (change.sign == '-') return change.bytes >= length ? 0 : length - change.bytes;
  return change.bytes > INT64_MAX ? 0 : change.bytes;
}

block::Result<void> resize(block::Node& node, const ResizeJob& job) {
  using block::Error, block::ErrorKind;
  BLOCK_TRY_ASSIGN(std::uint64_t length, node.co_get_length());
  std::uint64_t target = new_length(job.change, length);
  if (target == 0) return Error(ErrorKind::invalid_argument, "New image size must be positive");
  if (target <= length && job.preallocation != Preallocation::off)
    return Error(ErrorKind::invalid_argument, "Preallocation can only be used for growing images");
  if (target < length && !job.shrink) {
    report_error("Use the --shrink option to perform a shrink operation.");
    return Error(ErrorKind::invalid_argument,
                 "warning: Shrinking an image will delete all data beyond the shrunken image's "
                 "end. Before performing such an operation, make sure there is no important data "
                 "there.");
  }
  return node.co_truncate(target, job.preallocation);
}

} // namespace

int resize_command(int argc, char** argv) {
  constexpr int shrink = 256, preallocation = 257, image_opts = 258;
  // Takes the size off first: "-1M" would be parsed as an option.
  std::string size;
  if (argc > 1 && std::string(argv[argc - 1]) != "-h" && std::string(argv[argc - 1]) != "--help")
    size = argv[--argc];
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'q', "quiet", false},
                                  {shrink, "shrink", false},
                                  {preallocation, "preallocation", true},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("resize");
  if (line->operands().empty()) {
    report_usage_error("Not enough arguments");
    return 1;
  }
  if (line->operands().size() != 1) {
    report_usage_error("Expecting image file name and size");
    return 1;
  }
  ResizeJob job;
  job.shrink = line->has(shrink);
  std::string mode = line->value(preallocation).value_or("off");
  auto parsed_mode = block::parse_preallocation(mode);
  if (!parsed_mode) {
    report_error("Invalid preallocation mode '" + mode + "'");
    return 1;
  }
  job.preallocation = *parsed_mode;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, job.name)) return 1;
  if (!parse_size_change(size, job.change)) return 1;

  block::Graph graph;
  auto image = open_image(graph, job.name, {.write = true});
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + job.name.name + "'"));
    return 1;
  }
  block::Result<void> resized = resize(image->node(), job);
  if (!resized) report_error(resized.error());
  *image = Image();
  if (!close_graph(graph) || !resized) return 1;
  if (!line->has('q')) std::printf("Image resized.\n");
  return 0;
}

} // namespace tools::img
