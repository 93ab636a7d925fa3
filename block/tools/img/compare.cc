// dedup-img compare: compares the content of two images.
#include "block/sector.h"
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/progress.h"
#include "block/tools/img/command.h"
#include "block/util/aligned-buffer.h"
#include "block/util/zero-runs.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace tools::img {
namespace {

// Exit statuses that scripts depend on.
constexpr int status_same = 0, status_different = 1, status_open_failed = 2, status_map_failed = 3,
              status_read_failed = 4;

constexpr std::uint64_t chunk_bytes = 2 * 1024 * 1024;

struct Side {
  block::Node& node;
  const std::string& name;
  std::uint64_t length = 0; // bytes
  block::AlignedBuffer buffer{chunk_bytes};

  // Reads into the first `bytes` bytes of the buffer. On an error, prints a message on stderr and
  // returns false.
  bool read(std::uint64_t offset, std::uint64_t bytes) {
    block::Result<void> done = node.co_readv(offset, block::IoVector(buffer.data(), bytes));
    if (!done)
      report_error("Error while reading offset " + std::to_string(offset) + " of " + name + ": " +
                   std::strerror(done.error().errno_value()));
    return done.ok();
  }

  // Returns the state of the run at `offset`. On an error, prints a message on stderr and returns
  // false.
  bool status(std::uint64_t offset, std::uint64_t bytes, block::BlockStatus& status) {
    auto found = node.co_chain_status(offset, bytes);
    if (found)
      status = found->status;
    else
      report_error("Sector allocation test failed for " + name);
    return found.ok();
  }
};

class Comparison {
public:
  Comparison(Side& left, Side& right, bool strict, bool quiet, bool progress)
      : left_(left), right_(right), strict_(strict), quiet_(quiet), progress_(progress) {}

  int run() {
    std::uint64_t shorter = std::min(left_.length, right_.length);
    total_ = std::max(left_.length, right_.length);
    if (strict_ && left_.length != right_.length) {
      say("Strict mode: Image size mismatch!");
      return status_different;
    }
    int status = compare_common(shorter);
    if (status != status_same) return status;
    if (left_.length != right_.length) {
      say("Warning: Image size mismatch!");
      status = expect_zeros(left_.length > right_.length ? left_ : right_, shorter);
      if (status != status_same) return status;
    }
    progress_.finish();
    say("Images are identical.");
    return status_same;
  }

private:
  void say(const std::string& message) const {
    if (!quiet_) std::printf("%s\n", message.c_str());
  }

  // Prints the offset of the differing sector. Sectors are counted from `start`, where the compared
  // data begins.
  int mismatch(std::uint64_t start, std::uint64_t distance) const {
    std::uint64_t offset = start + distance / block::sector_bytes * block::sector_bytes;
    say("Content mismatch at offset " + std::to_string(offset) + "!");
    return status_different;
  }

  int compare_common(std::uint64_t end) {
    for (std::uint64_t offset = 0; offset < end;) {
      block::BlockStatus left, right;
      if (!left_.status(offset, end - offset, left)) return status_map_failed;
      if (!right_.status(offset, left.bytes, right)) return status_map_failed;
      std::uint64_t bytes = right.bytes; // not more than left.bytes
      if (strict_ && left.allocated != right.allocated) {
        say("Strict mode: Offset " + std::to_string(offset) + " block status mismatch!");
        return status_different;
      }
      if (!(left.zero && right.zero)) {
        bytes = std::min(bytes, chunk_bytes);
        int status = left.zero    ? expect_zeros_at(right_, offset, bytes)
                     : right.zero ? expect_zeros_at(left_, offset, bytes)
                                  : compare_data(offset, bytes);
        if (status != status_same) return status;
      }
      offset += bytes;
      progress_.update(offset, total_);
    }
    return status_same;
  }

  int compare_data(std::uint64_t offset, std::uint64_t bytes) {
    if (!left_.read(offset, bytes) || !right_.read(offset, bytes)) return status_read_failed;
    const std::byte *left = left_.buffer.data(), *right = right_.buffer.data();
    if (std::memcmp(left, right, bytes) == 0) return status_same;
    return mismatch(
        offset, static_cast<std::uint64_t>(std::mismatch(left, left + bytes, right).first - left));
  }

  int expect_zeros_at(Side& side, std::uint64_t offset, std::uint64_t bytes) {
    if (!side.read(offset, bytes)) return status_read_failed;
    std::uint64_t zeros = block::leading_zeros(side.buffer.span().first(bytes));
    return zeros == bytes ? status_same : mismatch(offset, zeros);
  }

  // Compares the part of the longer image beyond the end of the shorter one with zeros.
  int expect_zeros(Side& side, std::uint64_t offset) {
    while (offset < side.length) {
      block::BlockStatus run;
      if (!side.status(offset, side.length - offset, run)) return status_map_failed;
      if (!run.zero) {
        run.bytes = std::min(run.bytes, chunk_bytes);
        int status = expect_zeros_at(side, offset, run.bytes);
        if (status != status_same) return status;
      }
      offset += run.bytes;
      progress_.update(offset, total_);
    }
    return status_same;
  }

  Side& left_;
  Side& right_;
  bool strict_;
  bool quiet_;
  ProgressLine progress_;
  std::uint64_t total_ = 0; // bytes to compare
};

} // namespace

int compare_command(int argc, char** argv) {
  constexpr int image_opts = 256;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "a-format", true},
                                  {'F', "b-format", true},
                                  {'h', "help", false},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {'s', "strict", false},
                                  {'T', "source-cache", true},
                                  {'U', "force-share", false},
                                  {image_opts, "image-opts", false}});
  if (!line) return status_open_failed;
  if (line->has('h')) return print_help("compare");
  CacheMode cache;
  if (!parse_cache_option(line->value('T'), "source cache", cache)) return status_open_failed;
  const std::vector<std::string>& names = line->operands();
  if (names.size() != 2) {
    report_usage_error("Expecting two image file names");
    return 1;
  }

  block::Graph graph;
  std::array<Image, 2> images;
  for (std::size_t i = 0; i < images.size(); ++i) {
    ImageName name;
    if (!parse_image_name(*line, names[i], i == 0 ? 'f' : 'F', image_opts, name))
      return status_open_failed;
    auto image = open_image(graph, name, {.force_share = line->has('U'), .cache = cache});
    if (!image) {
      report_error(std::move(image).error().context("Could not open '" + names[i] + "'"));
      return status_open_failed;
    }
    images[i] = std::move(*image);
  }
  Side left{images[0].node(), names[0]}, right{images[1].node(), names[1]};
  for (Side* side : {&left, &right}) {
    auto length = side->node.co_get_length();
    if (!length) {
      report_error(std::move(length).error().context("Can't get size of " + side->name));
      return status_read_failed;
    }
    side->length = *length;
  }
  bool quiet = line->has('q');
  return Comparison(left, right, line->has('s'), quiet, line->has('p') && !quiet).run();
}

} // namespace tools::img
