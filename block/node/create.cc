// Creation of images: first the options, then the file, then its content by the format driver.
#include "block/graph.h"
#include "block/sector.h"

#include <cerrno>
#include <unistd.h>

namespace block {
namespace {} // namespace

Result<Preallocation> parse_preallocation(const std::string& text) {
  if (text == "off") return Preallocation::off;
  if (text == "metadata") return Preallocation::metadata;
  if (text == "falloc") return Preallocation::falloc;
  if (text == "full") return Preallocation::full;
  return Error(ErrorKind::invalid_argument, "Invalid parameter '" + text + "'");
}

Result<ImageCreation> ImageCreation::begin(const std::string& format, const std::string& filename,
                                           Options options) {
  DriverRegistry& registry = DriverRegistry::instance();
  ImageCreation creation;
  BLOCK_TRY_ASSIGN(creation.format_, registry.find(format));
  if (!creation.format_->create)
    return Error(ErrorKind::unsupported,
                 "Format driver '" + format + "' does not support image creation");
  if (!options.contains("size"))
    return Error(ErrorKind::invalid_argument, "Image creation needs a size parameter");
  BLOCK_TRY_ASSIGN(const std::uint64_t size, Options(options).take_size("size", 0));
  if (size > UINT64_MAX - sector_bytes)
    return Error(ErrorKind::invalid_argument, EFBIG, "The image size is too large");
  options.set("size", std::to_string((size + sector_bytes - 1) / sector_bytes * sector_bytes));
  if (creation.format_->check_create_options) {
    Options checked = options;
    BLOCK_TRY(creation.format_->check_create_options(checked));
    BLOCK_TRY(checked.expect_empty("Block format '" + format + "'"));
  }

  creation.file_options_ = creation.format_->is_protocol
                               ? options_for_filename(filename, format)
                               : options_for_filename(filename, "").take_children("file");
  const std::string protocol_name = creation.file_options_.entries().at("driver");
  BLOCK_TRY_ASSIGN(const BlockDriver* protocol, registry.find(protocol_name));
  if (!protocol->create_file)
    return Error(ErrorKind::unsupported,
                 "Protocol driver '" + protocol_name + "' does not support image creation");
  BLOCK_TRY_ASSIGN(creation.new_file_, protocol->create_file(filename, options));
  creation.options_ = std::move(options);
  return creation;
}

ImageCreation::ImageCreation(ImageCreation&& other) noexcept
    : format_(other.format_),
      file_options_(std::move(other.file_options_)),
      options_(std::move(other.options_)),
      new_file_(std::exchange(other.new_file_, {})) {}

ImageCreation::~ImageCreation() {
  // The error to report is the one that made the removal necessary.
  if (!new_file_.empty()) (void)::unlink(new_file_.c_str());
}

Result<void> ImageCreation::write() {
  Graph graph;
  BLOCK_TRY_ASSIGN(std::shared_ptr<Node> file, graph.open(std::move(file_options_), {}));
  BLOCK_TRY(format_->create(*file, options_));
  BLOCK_TRY(options_.expect_empty("Block format '" + std::string(format_->format_name) + "'"));
  return graph.close_all();
}

Result<void> create_image(const std::string& format, const std::string& filename, Options options) {
  BLOCK_TRY_ASSIGN(ImageCreation creation,
                   ImageCreation::begin(format, filename, std::move(options)));
  BLOCK_TRY(creation.write());
  creation.keep();
  return {};
}

} // namespace block
