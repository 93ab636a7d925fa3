// dedup-img bench: measures the time of a number of equal requests.
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/bench-job.h"
#include "block/tools/img/command.h"

#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace tools::img {
namespace {

enum LongOption : int { image_opts = 256, flush_interval, no_drain, pattern };

constexpr std::uint64_t most_bytes = INT32_MAX; // of a request, and of a step
constexpr std::uint64_t most_depth = 1024;      // threads
constexpr std::uint64_t most_memory = std::uint64_t{4} << 30;

// Parses a decimal number, or a hexadecimal one after 0x. If the text is not a number within the
// range, prints "Invalid WHAT specified" and returns false.
bool parse_number(const std::string& text, const char* what, std::uint64_t least,
                  std::uint64_t most, std::uint64_t& number) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const char* begin = text.data() + (hexadecimal ? 2 : 0);
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(begin, end, number, hexadecimal ? 16 : 10);
  if (error == std::errc() && stop == end && number >= least && number <= most) return true;
  report_error(std::string("Invalid ") + what + " specified");
  return false;
}

bool parse_bytes(const std::string& text, const char* what, std::uint64_t& bytes) {
  if (read_size(text, bytes) == SizeFault::none && bytes <= most_bytes) return true;
  report_error(std::string("Invalid ") + what + " specified. Must be between 0 and " +
               std::to_string(most_bytes) + ".");
  return false;
}

bool parse_aio(const std::string& name) {
  if (name == "threads") return true;
  if (name == "native" || name == "io_uring")
    report_error("aio=" + name + " is not supported, only aio=threads");
  else
    report_error("Invalid aio option: " + name);
  return false;
}

// Takes the numbers of the command line. If one is invalid, prints a message on stderr and returns
// false.
bool parse_plan(const CommandLine& line, BenchPlan& plan) {
  std::uint64_t depth = plan.depth, byte = 0;
  if (line.has('c') && !parse_number(*line.value('c'), "request count", 0, INT32_MAX, plan.count))
    return false;
  if (line.has('d') && !parse_number(*line.value('d'), "queue depth", 1, most_depth, depth))
    return false;
  if (line.has('s') && !parse_bytes(*line.value('s'), "buffer size", plan.request_bytes))
    return false;
  if (line.has('S') && !parse_bytes(*line.value('S'), "step size", plan.step_bytes)) return false;
  if (line.has('o') && !parse_size_option(*line.value('o'), "offset", plan.first_offset))
    return false;
  if (line.has(pattern) && !parse_number(*line.value(pattern), "pattern byte", 0, 255, byte))
    return false;
  if (line.has(flush_interval) && !parse_number(*line.value(flush_interval), "flush interval", 0,
                                                INT32_MAX, plan.flush_interval))
    return false;
  plan.depth = static_cast<unsigned>(depth);
  plan.pattern = static_cast<std::byte>(byte);
  plan.write = line.has('w');
  plan.drain = !line.has(no_drain);
  if (plan.step_bytes == 0) plan.step_bytes = plan.request_bytes;
  if (plan.depth * plan.request_bytes > most_memory) {
    report_error("The requests in flight would take more than 4 GiB of memory");
    return false;
  }
  if (plan.flush_interval > 0 && !plan.write) {
    report_error("--flush-interval is only available in write tests");
    return false;
  }
  if (plan.flush_interval > 0 && plan.flush_interval < plan.depth) {
    report_error("Flush interval can't be smaller than depth");
    return false;
  }
  return true;
}

bool run_job(BenchPlan plan) {
  auto length = plan.node->co_get_length();
  if (!length) {
    report_error(length.error());
    return false;
  }
  plan.length = *length;
  std::printf("Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %u in parallel "
              "(starting at offset %" PRIu64 ", step size %" PRIu64 ")\n",
              plan.count, plan.write ? "write" : "read", plan.request_bytes, plan.depth,
              plan.first_offset, plan.step_bytes);
  if (plan.flush_interval > 0)
    std::printf("Sending flush every %" PRIu64 " requests\n", plan.flush_interval);
  const auto began = std::chrono::steady_clock::now();
  block::Result<void> done = BenchJob(plan).run();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
  if (!done)
    report_error(std::string("Failed request: ") + std::strerror(done.error().errno_value()));
  else
    std::printf("Run completed in %3.3f seconds.\n", taken.count());
  return done.ok();
}

} // namespace

int bench_command(int argc, char** argv) {
  auto line = CommandLine::parse(argc, argv,
                                 {{'c', nullptr, true},
                                  {'d', nullptr, true},
                                  {'f', "format", true},
                                  {'h', "help", false},
                                  {'i', "aio", true},
                                  {'n', "native", false},
                                  {'o', nullptr, true},
                                  {'q', "quiet", false},
                                  {'s', nullptr, true},
                                  {'S', "step-size", true},
                                  {'t', nullptr, true},
                                  {'w', nullptr, false},
                                  {'U', "force-share", false},
                                  {flush_interval, "flush-interval", true},
                                  {no_drain, "no-drain", false},
                                  {pattern, "pattern", true},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("bench");
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  BenchPlan plan;
  ImageName name;
  ImageUse use{.write = line->has('w'), .force_share = line->has('U')};
  plan.step_bytes = 0;
  if (line->has('n') && !parse_aio("native")) return 1;
  if (line->has('i') && !parse_aio(*line->value('i'))) return 1;
  if (!parse_plan(*line, plan) || !parse_cache_option(line->value('t'), "cache", use.cache) ||
      !parse_image_name(*line, line->operands()[0], 'f', image_opts, name))
    return 1;

  block::Graph graph;
  auto image = open_image(graph, name, use);
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + name.name + "'"));
    return 1;
  }
  plan.node = &image->node();
  const bool done = run_job(plan);
  *image = Image();
  return close_graph(graph) && done ? 0 : 1;
}

} // namespace tools::img
