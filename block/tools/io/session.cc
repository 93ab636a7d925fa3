// Session: opens and closes the image.
#include "block/tools/io/session.h"

#include "block/tools/common/program.h"

#include <cstdlib>
#include <unistd.h>

namespace tools::io {

using block::Error;
using block::Options;
using block::Result;

namespace {

// Returns the options for the image: those of its name, overridden by those of -o.
Result<Options> merged_options(const OpenRequest& request) {
  Options options;
  if (!request.name.name.empty()) {
    ImageName name = request.name;
    auto driver = request.options.entries().find("driver");
    if (driver != request.options.entries().end()) name.format = driver->second;
    BLOCK_TRY_ASSIGN(options, options_of(name));
  }
  for (const auto& [key, value] : request.options.entries())
    options.set(key, value);
  return options;
}

// Creates a temporary file and returns its path.
Result<std::string> temporary_file() {
  const char* directory = std::getenv("TMPDIR");
  std::string path = std::string(directory ? directory : "/var/tmp") + "/dedup-io.XXXXXX";
  int descriptor = mkstemp(path.data());
  if (descriptor < 0) return Error::from_errno(errno, "temporary file '" + path + "'");
  ::close(descriptor);
  return path;
}

} // namespace

Result<Image> Session::open_overlay(const OpenRequest& request, Options options) {
  BLOCK_TRY_ASSIGN(
      base_, open_image(*graph_, std::move(options),
                        {.write = false, .force_share = request.force_share, .no_backing = false}));
  BLOCK_TRY_ASSIGN(std::uint64_t length, base_->co_get_length());
  BLOCK_TRY_ASSIGN(std::string path, temporary_file());
  Result<void> created =
      block::create_image("qcow2", path, Options{{"size", std::to_string(length)}});
  Result<Image> overlay = std::move(created).ok() ? open_image(*graph_,
                                                               Options{{"driver", "qcow2"},
                                                                       {"file.driver", "file"},
                                                                       {"file.filename", path},
                                                                       {"backing", base_->name()}},
                                                               {.write = true})
                                                  : Result<Image>(std::move(created).error());
  unlink(path.c_str());
  if (!overlay) return std::move(overlay).error().context("temporary overlay");
  return overlay;
}

Result<void> Session::open(OpenRequest request) {
  BLOCK_TRY_ASSIGN(Options options, merged_options(request));
  graph_ = std::make_unique<block::Graph>();
  Result<Image> image = request.snapshot ? open_overlay(request, std::move(options))
                                         : open_image(*graph_, std::move(options),
                                                      {.write = !request.read_only,
                                                       .force_share = request.force_share,
                                                       .cache = request.cache});
  if (!image) {
    base_ = Image();
    graph_.reset();
    return std::move(image).error();
  }
  image_ = std::move(*image);
  cache_ = request.cache;
  copy_on_read_ = request.copy_on_read && !image_->read_only();
  return {};
}

bool Session::close() {
  // Resumes the requests that break points hold; drain() would wait for them forever. Most images
  // have no break points, and the call then fails.
  if (image_) (void)image_->debug_remove_breakpoint("").ok();
  aio_.drain();
  image_ = Image();
  base_ = Image();
  if (!graph_) return true;
  Result<void> closed = graph_->close_all();
  graph_.reset();
  if (!closed) report_error(closed.error());
  return closed.ok();
}

} // namespace tools::io
