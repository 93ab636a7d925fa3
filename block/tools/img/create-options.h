// The options of -o: collected, checked against the options of the drivers, and printed.
#ifndef BLOCK_TOOLS_IMG_CREATE_OPTIONS_H
#define BLOCK_TOOLS_IMG_CREATE_OPTIONS_H

#include "block/graph.h"

#include <string>
#include <vector>

namespace tools::img {

// The options of create -f FORMAT: those of the format in its order, then those of the protocol
// below that the format lacks.
class CreateOptions {
public:
  // Errors: unknown format ("Unknown file format 'x'"), a format that cannot create images.
  static block::Result<CreateOptions> for_format(const std::string& format);

  // Returns the options that amend supports for images of that driver, or format. Error:
  // unsupported, if it supports none.
  static block::Result<CreateOptions> for_amend(const block::BlockDriver& driver);
  static block::Result<CreateOptions> for_amend(const std::string& format);

  // Returns whether the -o arguments request the list of options, which needs no file.
  static bool ask_for_help(const std::vector<std::string>& lists);

  const block::BlockDriver& format() const { return *format_; }
  bool knows(const std::string& name) const;
  // Returns the list of options with their help, sorted by name.
  std::string help() const;

  // Adds the options of one -o argument. Errors: a malformed list.
  block::Result<void> add(const std::string& list);
  void set(const std::string& name, const std::string& value) { given_.set(name, value); }
  bool has(const std::string& name) const { return given_.contains(name); }
  // Returns the given value, or an empty string.
  std::string value(const std::string& name) const;

  // Checks names and types of all given options, and replaces sizes by plain numbers of bytes.
  block::Result<void> check();
  // Sets the default of each option that depends on others, unless the option was given.
  void choose_defaults();
  // Returns " name=value" for each option that was given or has a default.
  std::string summary() const;
  const block::Options& given() const { return given_; }

private:
  block::Result<void> check_value(const block::CreateOption& option, const std::string& value);

  const block::BlockDriver* format_ = nullptr;
  std::vector<block::CreateOption> known_;
  block::Options given_;
};

// Prints the options on stdout, or reports the error. Returns the exit status.
int print_options_help(const block::Result<CreateOptions>& options);

} // namespace tools::img

#endif
