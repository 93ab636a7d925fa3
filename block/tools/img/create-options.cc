// CreateOptions: parsing, checks and help.
#include "block/tools/img/create-options.h"

#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace tools::img {

using block::CreateOption;
using block::Error;
using block::ErrorKind;
using block::Result;

namespace {

const char* type_name(CreateOption::Type type) {
  switch (type) {
  case CreateOption::Type::text:
    return "<str>";
  case CreateOption::Type::size:
    return "<size>";
  case CreateOption::Type::number:
    return "<num>";
  case CreateOption::Type::boolean:
    return "<bool (on/off)>";
  }
  return "";
}

Error bad_size(const std::string& name) {
  return Error(ErrorKind::invalid_argument,
               "Parameter '" + name + "' expects a non-negative number below 2^64")
      .with_hint("Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
                 "and exabytes, respectively.");
}

// Doubles the commas of a value, as they are doubled on the command line.
std::string with_doubled_commas(const std::string& text) {
  std::string result;
  for (char c : text)
    result.append(c == ',' ? 2 : 1, c);
  return result;
}

Result<const block::BlockDriver*> find_format(const std::string& format) {
  auto driver = block::DriverRegistry::instance().find(format);
  if (!driver && driver.error().kind() == ErrorKind::not_found)
    return Error(ErrorKind::not_found, "Unknown file format '" + format + "'");
  return driver;
}

} // namespace

Result<CreateOptions> CreateOptions::for_format(const std::string& format) {
  BLOCK_TRY_ASSIGN(const block::BlockDriver* driver, find_format(format));
  if (!driver->create && !driver->create_file)
    return Error(ErrorKind::unsupported,
                 "Format driver '" + format + "' does not support image creation");
  CreateOptions options;
  options.format_ = driver;
  if (options.format_->create_options) options.known_ = options.format_->create_options();
  BLOCK_TRY_ASSIGN(const block::BlockDriver* protocol,
                   block::DriverRegistry::instance().find("file"));
  if (protocol->create_options)
    for (const CreateOption& option : protocol->create_options())
      if (!options.knows(option.name)) options.known_.push_back(option);
  return options;
}

Result<CreateOptions> CreateOptions::for_amend(const block::BlockDriver& driver) {
  if (!driver.amend_options)
    return Error(ErrorKind::unsupported, "Format driver '" + std::string(driver.format_name) +
                                             "' does not support option amendment");
  CreateOptions options;
  options.format_ = &driver;
  options.known_ = driver.amend_options();
  return options;
}

Result<CreateOptions> CreateOptions::for_amend(const std::string& format) {
  BLOCK_TRY_ASSIGN(const block::BlockDriver* driver, find_format(format));
  return for_amend(*driver);
}

bool CreateOptions::ask_for_help(const std::vector<std::string>& lists) {
  CreateOptions options;
  for (const std::string& list : lists)
    if (!options.add(list)) return false;
  return options.has("help") || options.has("?");
}

bool CreateOptions::knows(const std::string& name) const {
  return std::ranges::any_of(known_, [&](const CreateOption& known) { return known.name == name; });
}

std::string CreateOptions::help() const {
  std::vector<CreateOption> sorted = known_;
  std::ranges::sort(sorted, {}, &CreateOption::name);
  std::string text = "Supported options:\n";
  for (const CreateOption& option : sorted) {
    std::string title = option.name + "=" + type_name(option.type);
    char line[512];
    std::snprintf(line, sizeof line, "  %-22s - %s\n", title.c_str(), option.help.c_str());
    text += line;
  }
  return text;
}

Result<void> CreateOptions::add(const std::string& list) {
  // A single comma at either end means an empty element. A doubled comma is part of a value.
  std::size_t trailing = list.size() - std::min(list.size(), list.find_last_not_of(',') + 1);
  if (list.empty() || list.front() == ',' || trailing % 2 != 0)
    return Error(ErrorKind::invalid_argument, "Invalid option list: " + list);
  BLOCK_TRY_ASSIGN(block::Options parsed, block::Options::parse(list));
  for (const auto& [name, value] : parsed.entries())
    given_.set(name, value);
  return {};
}

std::string CreateOptions::value(const std::string& name) const {
  auto entry = given_.entries().find(name);
  return entry == given_.entries().end() ? "" : entry->second;
}

Result<void> CreateOptions::check_value(const CreateOption& option, const std::string& value) {
  std::uint64_t bytes = 0;
  std::int64_t number = 0;
  const char* end = value.data() + value.size();
  switch (option.type) {
  case CreateOption::Type::size:
    switch (read_size(value, bytes)) {
    case SizeFault::none:
      given_.set(option.name, std::to_string(bytes));
      return {};
    case SizeFault::out_of_range:
      return Error(ErrorKind::invalid_argument,
                   "Value '" + value + "' is out of range for parameter '" + option.name + "'");
    case SizeFault::malformed:
      return bad_size(option.name);
    }
    return {};
  case CreateOption::Type::number:
    if (auto parsed = std::from_chars(value.data(), end, number);
        parsed.ec != std::errc() || parsed.ptr != end)
      return Error(ErrorKind::invalid_argument, "Parameter '" + option.name + "' expects a number");
    return {};
  case CreateOption::Type::boolean: {
    block::Options one{{option.name, value}};
    BLOCK_TRY_ASSIGN(bool flag, one.take_bool(option.name, false));
    given_.set(option.name, flag ? "on" : "off");
    return {};
  }
  case CreateOption::Type::text:
    return {};
  }
  return {};
}

Result<void> CreateOptions::check() {
  const block::Options given = given_; // check_value() rewrites values
  for (const auto& [name, value] : given.entries()) {
    auto option = std::ranges::find(known_, name, &CreateOption::name);
    if (option == known_.end())
      return Error(ErrorKind::invalid_argument, "Invalid parameter '" + name + "'");
    BLOCK_TRY(check_value(*option, value));
  }
  return {};
}

void CreateOptions::choose_defaults() {
  if (format_->choose_create_defaults) format_->choose_create_defaults(given_);
}

std::string CreateOptions::summary() const {
  std::string text;
  for (const CreateOption& option : known_) {
    std::string shown = has(option.name) ? value(option.name) : option.default_value;
    if (option.type == CreateOption::Type::size && !shown.empty()) {
      std::uint64_t bytes = 0;
      if (read_size(shown, bytes) == SizeFault::none) shown = std::to_string(bytes);
    }
    if (has(option.name) || !shown.empty())
      text += " " + option.name + "=" + with_doubled_commas(shown);
  }
  return text;
}

int print_options_help(const Result<CreateOptions>& options) {
  if (!options) {
    report_error(options.error());
    return 1;
  }
  std::printf("%s", options->help().c_str());
  return 0;
}

} // namespace tools::img
