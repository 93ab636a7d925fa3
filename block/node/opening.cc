// The opening of a node: generic options, choice and call of the driver. children.cc opens the
// children.
#include "block/node/opening.h"

#include "block/node/foreign-format.h"
#include "block/node/inner.h"
#include "block/util/aligned-buffer.h"

#include <algorithm>
#include <bit>

namespace block {
namespace {

constexpr std::uint64_t probe_bytes = 64 * 1024;
constexpr std::uint32_t max_request_alignment = 4 * 1024 * 1024;

Result<bool> take_discard(Options& options) {
  const std::string text = options.take("discard").value_or("unmap");
  if (text == "unmap" || text == "on") return true;
  if (text == "ignore" || text == "off") return false;
  return Error(ErrorKind::invalid_argument,
               "Parameter 'discard' expects 'unmap' or 'ignore', not '" + text + "'");
}

Result<DetectZeroes> take_detect_zeroes(Options& options, bool discard) {
  const std::optional<std::string> said = options.take("detect-zeroes");
  if (!said) return DetectZeroes::unset;
  const std::string& text = *said;
  if (text == "off") return DetectZeroes::off;
  if (text == "on") return DetectZeroes::on;
  if (text != "unmap")
    return Error(ErrorKind::invalid_argument,
                 "Parameter 'detect-zeroes' expects 'off', 'on' or 'unmap', not '" + text + "'");
  if (!discard)
    return Error(ErrorKind::invalid_argument, "setting detect-zeroes to unmap is not allowed "
                                              "without setting discard operation to unmap");
  return DetectZeroes::unmap;
}

std::string title(const BlockDriver& driver) {
  return std::string(driver.is_protocol ? "Block protocol '" : "Block format '") +
         driver.format_name + "'";
}

bool names_a_source(const Options& options) {
  auto entry = options.entries().lower_bound("file.");
  return options.contains("file") || options.contains("filename") ||
         (entry != options.entries().end() && entry->first.starts_with("file."));
}

} // namespace

Node::Opening::Opening(Inner& node, const Opening* parent, const Graph::OpenDefaults& defaults)
    : node_(node), parent_(parent), defaults_(defaults), depth_(depth_below(parent)) {}

Result<void> Node::Opening::run(Options& options, bool driver_is_given) {
  BLOCK_TRY(take_generic_options(options));
  if (!driver_is_given) BLOCK_TRY(probe_driver(options));
  const BlockDriver& driver = *node_.driver_;
  if (!node_.read_only_ && !driver.co_writev)
    return Error(ErrorKind::permission, title(driver) + " can only be opened with read-only=on");
  BLOCK_TRY(take_backing_options(options));
  BLOCK_TRY(node_.call("open", driver.open, options));
  if (driver.is_filter) node_.limits_.grows_on_write = node_.file()->limits_.grows_on_write;
  if (driver.debug)
    node_.debug_listener_ = &node_;
  else if (driver.is_filter)
    node_.debug_listener_ = node_.file()->debug_listener_;
  Result<void> finished = finish(options);
  // The error of opening is the one to report, not one of closing.
  if (!finished) (void)node_.close_driver().ok();
  return finished;
}

Result<void> Node::Opening::take_generic_options(Options& options) {
  BLOCK_TRY_ASSIGN(node_.read_only_, options.take_bool("read-only", defaults_.read_only));
  BLOCK_TRY_ASSIGN(node_.auto_read_only_,
                   options.take_bool("auto-read-only", defaults_.auto_read_only));
  BLOCK_TRY_ASSIGN(node_.force_share_, options.take_bool("force-share", defaults_.force_share));
  node_.for_check_ = defaults_.for_check && !parent_;
  if (node_.force_share_ && !node_.read_only_)
    return Error(ErrorKind::invalid_argument,
                 "force-share=on can only be used with read-only images");
  BLOCK_TRY_ASSIGN(node_.cache_direct_, options.take_bool("cache.direct", defaults_.cache_direct));
  BLOCK_TRY_ASSIGN(node_.cache_no_flush_,
                   options.take_bool("cache.no-flush", defaults_.cache_no_flush));
  BLOCK_TRY_ASSIGN(node_.discard_, take_discard(options));
  BLOCK_TRY_ASSIGN(node_.detect_zeroes_, take_detect_zeroes(options, node_.discard_));
  return {};
}

// Opens the child "file" before the driver does, and chooses the driver by its first bytes.
Result<void> Node::Opening::probe_driver(Options& options) {
  Access access;
  access.allow_other_writers = true; // provisional; the driver requests its own access later
  BLOCK_TRY(open_child("file", options, access));
  BLOCK_TRY_ASSIGN(const std::uint64_t length, node_.file()->co_get_length());
  AlignedBuffer head(std::min(length, probe_bytes));
  BLOCK_TRY(node_.file()->co_readv(0, IoVector(head.data(), head.size())));
  BLOCK_TRY_ASSIGN(node_.driver_, DriverRegistry::instance().probe(head.span()));
  node_.probed_as_raw_ = std::string_view(node_.driver_->format_name) == "raw";
  if (!node_.probed_as_raw_) return {};
  const std::string& filename = node_.file()->filename();
  const std::string foreign = foreign_format(head.span(), filename);
  if (foreign.empty()) return {};
  return Error(ErrorKind::unsupported,
               "'" + filename + "' is an image of format '" + foreign + "', which is not supported")
      .with_hint("Specify the 'raw' format explicitly to use its bytes as they are.");
}

Result<void> Node::Opening::take_backing_options(Options& options) {
  const std::optional<std::string> reference = options.take("backing");
  Options inline_options = options.take_children("backing");
  node_.follow_image_backing_ = !reference && !defaults_.no_backing;
  if (!reference && inline_options.empty()) return {};
  if (!node_.driver_->supports_backing)
    return Error(ErrorKind::invalid_argument,
                 title(*node_.driver_) + " does not support backing files");
  if (reference && !inline_options.empty())
    return Error(ErrorKind::invalid_argument,
                 "'backing' is a reference to a node and a definition at once");
  if (defaults_.no_backing) return {};

  if (reference) {
    if (!reference->empty()) backing_definition_.set("backing", *reference);
    return {};
  }
  bool complete = names_a_source(inline_options);
  if (auto driver = inline_options.entries().find("driver");
      !complete && driver != inline_options.entries().end()) {
    BLOCK_TRY_ASSIGN(const BlockDriver* backing, DriverRegistry::instance().find(driver->second));
    complete = backing->is_protocol;
  }
  if (!complete) {
    backing_changes_ = std::move(inline_options);
    return {};
  }
  node_.follow_image_backing_ = false;
  for (const auto& [key, value] : inline_options.entries())
    backing_definition_.set("backing." + key, value);
  return {};
}

// The steps after the driver has opened.
Result<void> Node::Opening::finish(Options& options) {
  BLOCK_TRY(options.expect_empty(title(*node_.driver_)));
  if (!backing_changes_.empty())
    return Error(ErrorKind::invalid_argument,
                 "The options change the backing file, but the image has none");
  if (!backing_definition_.empty()) BLOCK_TRY(open_child("backing", backing_definition_, {}));

  Limits& limits = node_.limits_;
  const std::uint32_t align = limits.request_alignment;
  if (!std::has_single_bit(align) || align > max_request_alignment)
    return Error(ErrorKind::unsupported,
                 "Unusable request alignment of " + std::to_string(align) + " bytes");
  limits.max_transfer = std::max<std::uint64_t>(limits.max_transfer / align * align, align);
  if (align > 1) node_.write_ranges_.emplace();
  BLOCK_TRY_ASSIGN(node_.length_, node_.length_of_driver());
  return {};
}

} // namespace block
