// dedup-img create: creates an empty image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/file-names.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/backing.h"
#include "block/tools/img/command.h"
#include "block/tools/img/create-options.h"
#include "block/tools/img/new-image.h"

#include <cstdio>

namespace tools::img {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

struct CreateRequest {
  std::string filename;
  CreateOptions options;
  std::optional<std::uint64_t> size; // bytes; the operand
  bool backing_unchecked = false;    // -u
  bool quiet = false;
};

Result<void> settle_backing(CreateRequest& request) {
  CreateOptions& options = request.options;
  std::string format = options.format().format_name;
  bool named = options.has("backing_file");
  if (named && !options.knows("backing_file"))
    return Error(ErrorKind::invalid_argument,
                 "Backing file not supported for file format '" + format + "'");
  if (options.has("backing_fmt") && !options.knows("backing_fmt"))
    return Error(ErrorKind::invalid_argument,
                 "Backing format not supported for file format '" + format + "'");
  if (!named) return {};
  if (options.value("backing_file").empty())
    return Error(ErrorKind::invalid_argument, "Expected backing file name, got empty string");
  if (options.value("backing_file") == request.filename) return image_is_its_backing();
  if (request.backing_unchecked) {
    if (!options.has("backing_fmt"))
      return Error(ErrorKind::invalid_argument, "Backing file specified without backing format");
    return {};
  }
  BLOCK_TRY_ASSIGN(std::uint64_t length,
                   examine_backing(request.filename, options.value("backing_file"),
                                   options.value("backing_fmt")));
  if (!options.has("size")) options.set("size", std::to_string(length));
  return {};
}

// Checks the name of the backing format, in the case that the backing file is not opened.
Result<void> check_backing_format(const CreateOptions& options) {
  std::string format = options.value("backing_fmt");
  if (block::DriverRegistry::instance().find(format)) return {};
  return Error(ErrorKind::invalid_argument,
               "Parameter 'backing-fmt' does not accept value '" + format + "'");
}

Result<void> create(CreateRequest& request) {
  CreateOptions& options = request.options;
  BLOCK_TRY(check_protocol(request.filename));
  if (request.size && options.has("size"))
    return Error(ErrorKind::invalid_argument, "The image size must be specified only once");
  if (request.size) options.set("size", std::to_string(*request.size));
  BLOCK_TRY(settle_backing(request));
  BLOCK_TRY(options.check());
  if (!options.has("size"))
    return Error(ErrorKind::invalid_argument, "Image creation needs a size parameter");
  options.choose_defaults();
  if (!request.quiet) {
    std::printf("Formatting '%s', fmt=%s%s\n", request.filename.c_str(),
                options.format().format_name, options.summary().c_str());
    std::fflush(stdout); // the line announces the work, so it must precede an error of the work
  }
  if (options.has("backing_file") && options.has("backing_fmt"))
    BLOCK_TRY(check_backing_format(options));
  BLOCK_TRY_ASSIGN(NewImage image,
                   NewImage::make(options.format().format_name, request.filename, options.given()));
  image.keep();
  return {};
}

} // namespace

int create_command(int argc, char** argv) {
  auto line = CommandLine::parse(argc, argv,
                                 {{'b', "backing", true},
                                  {'f', "format", true},
                                  {'F', "backing-format", true},
                                  {'h', "help", false},
                                  {'o', "options", true},
                                  {'q', "quiet", false},
                                  {'u', "backing-unsafe", false}});
  if (!line) return 1;
  if (line->has('h')) return print_help("create");

  auto options = CreateOptions::for_format(line->value('f').value_or("raw"));
  if (CreateOptions::ask_for_help(line->values('o'))) return print_options_help(options);
  Result<void> collected;
  if (options)
    for (const std::string& list : line->values('o'))
      if (collected) collected = options->add(list);
  if (!collected) {
    report_error(collected.error());
    return 1;
  }

  const std::vector<std::string>& operands = line->operands();
  if (operands.empty()) {
    report_usage_error("Expecting image file name");
    return 1;
  }
  if (operands.size() > 2) {
    report_usage_error("Unexpected argument: " + operands[2]);
    return 1;
  }
  std::optional<std::uint64_t> size;
  if (operands.size() == 2) {
    std::uint64_t bytes = 0;
    if (!parse_size_option(operands[1], "image size", bytes)) return 1;
    size = bytes;
  }
  Result<void> created;
  if (options) {
    if (auto backing = line->value('b')) options->set("backing_file", *backing);
    if (auto format = line->value('F')) options->set("backing_fmt", *format);
    CreateRequest request{operands[0], std::move(options).value(), size, line->has('u'),
                          line->has('q')};
    created = create(request);
  } else {
    created = std::move(options).error();
  }
  if (created) return 0;
  report_error(std::move(created).error().context(operands[0]));
  return 1;
}

} // namespace tools::img
