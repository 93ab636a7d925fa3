// dedup-img map: prints where the content of an image is stored.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"

#include <cinttypes>
#include <cstdio>

namespace tools::img {
namespace {

struct Extent {
  std::uint64_t start = 0;
  block::ChainStatus where; // where.status.bytes is the length of the extent
};

class MapPrinter {
public:
  enum class Owners { hidden, shown };
  virtual ~MapPrinter() = default;
  virtual void begin() = 0;
  virtual block::Result<void> print(const Extent& extent) = 0;
  virtual void end() = 0;
};

// Returns the name of the file that holds the data of a layer.
std::string data_file(const block::Node& layer) {
  return layer.file() ? layer.file()->filename() : layer.filename();
}

class HumanMap : public MapPrinter {
public:
  explicit HumanMap(Owners owners) : owners_(owners == Owners::shown) {}

  void begin() override {
    std::printf("%-16s%-16s%-16s%s%s\n", "Offset", "Length", "Mapped to",
                owners_ ? "Owners          " : "", "File");
  }

  block::Result<void> print(const Extent& extent) override {
    const block::BlockStatus& status = extent.where.status;
    if (!status.data || status.zero) return {};
    if (!status.host_offset || status.compressed)
      return block::Error(block::ErrorKind::unsupported,
                          "File contains external, encrypted or compressed clusters.");
    std::printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64, extent.start, status.bytes,
                *status.host_offset);
    if (owners_) std::printf("%-16" PRIu64, status.owners);
    std::printf("%s\n", data_file(*extent.where.layer).c_str());
    return {};
  }

  void end() override {}

private:
  bool owners_;
};

class JsonMap : public MapPrinter {
public:
  explicit JsonMap(Owners owners) : owners_(owners == Owners::shown) {}

  void begin() override { std::printf("["); }

  block::Result<void> print(const Extent& extent) override {
    const block::BlockStatus& status = extent.where.status;
    auto word = [](bool value) { return value ? "true" : "false"; };
    std::printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
                ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s"
                ", \"compressed\": %s",
                first_ ? "" : ",\n", extent.start, status.bytes, extent.where.depth,
                word(status.allocated), word(status.zero), word(status.data),
                word(status.compressed));
    if (status.host_offset && !status.compressed)
      std::printf(", \"offset\": %" PRIu64, *status.host_offset);
    if (owners_ && status.data && status.owners != 0)
      std::printf(", \"owners\": %" PRIu64, status.owners);
    std::printf("}");
    first_ = false;
    return {};
  }

  void end() override { std::printf("]\n"); }

private:
  bool owners_;
  bool first_ = true;
};

// Returns whether b, which follows a, can be merged with a into one extent.
bool continues(const Extent& a, const Extent& b, MapPrinter::Owners owners) {
  const block::BlockStatus &left = a.where.status, &right = b.where.status;
  bool same = left.allocated == right.allocated && left.zero == right.zero &&
              left.data == right.data && left.compressed == right.compressed &&
              a.where.depth == b.where.depth &&
              left.host_offset.has_value() == right.host_offset.has_value();
  if (!same) return false;
  if (owners == MapPrinter::Owners::shown && left.owners != right.owners) return false;
  return !left.host_offset || *left.host_offset + left.bytes == *right.host_offset;
}

block::Result<void> map(block::Node& node, std::uint64_t start, std::uint64_t end,
                        MapPrinter& printer, MapPrinter::Owners owners) {
  printer.begin();
  Extent current;
  current.start = start;
  current.where.layer = &node;
  for (std::uint64_t offset = start; offset < end;) {
    BLOCK_TRY_ASSIGN(block::ChainStatus where, node.co_chain_status(offset, end - offset));
    Extent next{offset, where};
    offset += where.status.bytes;
    if (current.where.status.bytes != 0 && continues(current, next, owners)) {
      current.where.status.bytes += where.status.bytes;
      continue;
    }
    if (current.where.status.bytes != 0) BLOCK_TRY(printer.print(current));
    current = next;
  }
  BLOCK_TRY(printer.print(current));
  printer.end();
  return {};
}

} // namespace

int map_command(int argc, char** argv) {
  constexpr int output = 256, image_opts = 257, owners_option = 258;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'l', "max-length", true},
                                  {'s', "start-offset", true},
                                  {'U', "force-share", false},
                                  {output, "output", true},
                                  {owners_option, "owners", false},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("map");
  bool json = false;
  std::uint64_t start = 0, length = INT64_MAX;
  if (!parse_output_format(line->value(output).value_or("human"), json)) return 1;
  if (line->has('s') && !parse_size_option(*line->value('s'), "start offset", start)) return 1;
  if (line->has('l') && !parse_size_option(*line->value('l'), "max length", length)) return 1;
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return 1;
  }
  ImageName name;
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, name)) return 1;

  block::Graph graph;
  auto image = open_image(graph, name, {.force_share = line->has('U')});
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + name.name + "'"));
    return 1;
  }
  auto virtual_size = (*image)->co_get_length();
  if (!virtual_size) {
    report_error(std::move(virtual_size).error());
    return 1;
  }
  std::uint64_t end = *virtual_size;
  if (start < end && length < end - start) end = start + length;
  // The map of a plain image has the same format as that of other tools. JSON for a deduplicated
  // image also shows the sharing.
  bool deduplicated = image->node().query_dedup().ok();
  MapPrinter::Owners owners = line->has(owners_option) || (json && deduplicated)
                                  ? MapPrinter::Owners::shown
                                  : MapPrinter::Owners::hidden;
  HumanMap human(owners);
  JsonMap as_json(owners);
  MapPrinter& printer = json ? static_cast<MapPrinter&>(as_json) : human;
  block::Result<void> mapped = map(image->node(), start, end, printer, owners);
  if (!mapped) report_error(mapped.error());
  return mapped ? 0 : 1;
}

} // namespace tools::img
