// libFuzzer: any text as an option list, a JSON object, a size, an image name or a daemon's option;
// nodes are opened by it where "file" is a small file in RAM.
#include "block/debug/blklogwrites.h"
#include "block/null/null.h"
#include "block/qcow2-driver/driver.h"
#include "block/raw/raw.h"
#include "block/tools/common/image.h"
#include "monitor/configuration.h"
#include "qapi/command-line.h"
#include "tests/fuzz/base-images.h"

namespace {

using block::Options;
using block::Result;

// Takes the place of the file driver: whatever a name says, no file of the host is touched.
block::Result<void> open_stand_in(block::Node& node, Options& options) {
  options.take("filename");
  Options memory = {{"filename", "hostile"}};
  return (*block::DriverRegistry::instance().find("memory"))->open(node, memory);
}

void add_drivers() {
  static const bool added = [] {
    (void)fuzz::base_images(); // makes driver "memory" known
    static block::BlockDriver stand_in = **block::DriverRegistry::instance().find("memory");
    stand_in.format_name = "file";
    stand_in.open = open_stand_in;
    block::DriverRegistry::instance().add(stand_in);
    block::DriverRegistry::instance().add(block::raw_driver);
    block::DriverRegistry::instance().add(block::null_driver);
    block::DriverRegistry::instance().add(block::blklogwrites_driver);
    return true;
  }();
  (void)added;
}

void open(const Options& options) {
  static const fuzz::Bytes content = fuzz::base_images()[3].content;
  fuzz::HostileImage file(content);
  block::Graph graph;
  Result<std::shared_ptr<block::Node>> node = graph.open(options, {});
  fuzz::require(node.ok() || !node.error().message().empty(), "a refusal says why");
  if (!node) return;
  std::string buffer(512, '\0');
  (void)(*node)->co_readv(0, block::IoVector(buffer.data(), buffer.size())).ok();
  node = std::shared_ptr<block::Node>();
  (void)graph.close_all().ok();
}

void take_values(Options options) {
  const auto entries = options.entries();
  for (const auto& [key, value] : entries) {
    Options one = {{key, value}};
    switch (key.size() % 3) {
    case 0:
      (void)one.take_bool(key, false).ok();
      break;
    case 1:
      (void)one.take_size(key, 0).ok();
      break;
    default:
      (void)one.take_number(key, 0).ok();
    }
    fuzz::require(one.empty(), "what is taken is gone");
  }
  (void)options.take_children("file");
  (void)options.expect_empty("nobody").ok();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  add_drivers();
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
  case 0:
    if (Result<Options> options = Options::parse(text)) {
      take_values(*options);
      open(*options);
    }
    break;
  case 1:
    if (Result<Options> options = qapi::options_from_json(text)) {
      take_values(*options);
      open(*options);
    }
    break;
  case 2:
    (void)block::parse_size(text).ok();
    (void)block::resolve_backing_filename("/a/b", text).ok();
    (void)block::protocol_of(text);
    break;
  case 3:
    if (Result<Options> options = tools::options_of({text, "", false})) open(*options);
    break;
  case 4:
    if (Result<Options> options = tools::options_of({text, "", true})) open(*options);
    break;
  default: {
    // Several options, each a line "name text".
    monitor::Configuration configuration;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = std::min(text.find('\n', at), text.size());
      std::string_view line = std::string_view(text).substr(at, end - at);
      std::size_t space = std::min(line.find(' '), line.size());
      std::string_view rest = line.substr(std::min(space + 1, line.size()));
      Result<void> added = configuration.add(line.substr(0, space), rest);
      fuzz::require(added.ok() || !added.error().message().empty(), "a refusal says why");
      at = end + 1;
    }
    (void)configuration.monitors().ok();
  }
  }
  return 0;
}
