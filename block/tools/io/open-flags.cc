// Parses the flags of opening.
#include "block/tools/io/open-flags.h"

#include "block/tools/common/program.h"

namespace tools::io {

bool parse_cache_flag(const std::string& text, CacheMode& mode) {
  block::Result<CacheMode> parsed = parse_cache_mode(text);
  if (parsed)
    mode = *parsed;
  else
    report_error(parsed.error());
  return parsed.ok();
}

bool accept_discard_mode(const std::string& text) {
  if (text == "ignore" || text == "off" || text == "unmap" || text == "on") return true;
  report_error("Invalid discard option: " + text);
  return false;
}

bool accept_aio_mode(const std::string& text) {
  if (text == "threads" || text == "native" || text == "io_uring") return true;
  report_error("Invalid aio option: " + text);
  return false;
}

bool open_and_report(Session& session, OpenRequest request) {
  bool by_options = request.name.image_opts || request.name.name.empty();
  std::string what = by_options ? "can't open" : "can't open device " + request.name.name;
  block::Result<void> opened = session.open(std::move(request));
  if (!opened) report_error(std::move(opened).error().context(what));
  return opened.ok();
}

} // namespace tools::io
