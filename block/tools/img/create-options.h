// The options of -o: collected, checked against what the drivers know, and shown.
#ifndef BLOCK_TOOLS_IMG_CREATE_OPTIONS_H
#define BLOCK_TOOLS_IMG_CREATE_OPTIONS_H

#include "block/graph.h"

#include <string>
#include <vector>

namespace tools::img {

// What create -f FORMAT understands: the format's own options in its order, then those of the
// protocol beneath that the format does not have.
class CreateOptions {
public:
  // Errors: unknown format ("Unknown file format 'x'"), a format that cannot make images.
  static block::Result<CreateOptions> for_format(const std::string& format);

  // What amend understands for images of that driver, or format. Error: unsupported, if it can
  // amend nothing.
  static block::Result<CreateOptions> for_amend(const block::BlockDriver& driver);
  static block::Result<CreateOptions> for_amend(const std::string& format);

  // Whether the -o arguments ask for the list of options: a question that needs no file.
  static bool ask_for_help(const std::vector<std::string>& lists);

  const block::BlockDriver& format() const { return *format_; }
  bool knows(const std::string& name) const;
  // Lists them with their help, by name.
  std::string help() const;

  // Takes one -o argument. Errors: a malformed list.
  block::Result<void> add(const std::string& list);
  void set(const std::string& name, const std::string& value) { given_.set(name, value); }
  bool has(const std::string& name) const { return given_.contains(name); }
  // The value given, or empty.
  std::string value(const std::string& name) const;

  // Checks names and types of all that was given, and writes sizes as plain bytes.
  block::Result<void> check();
  // Gives options that depend on others their value, unless it was given.
  void choose_defaults();
  // " name=value" for each option that was given or has a default.
  std::string summary() const;
  const block::Options& given() const { return given_; }

private:
  block::Result<void> check_value(const block::CreateOption& option, const std::string& value);

  const block::BlockDriver* format_ = nullptr;
  std::vector<block::CreateOption> known_;
  block::Options given_;
};

// Lists the options on stdout, or reports the error. The exit status.
int print_options_help(const block::Result<CreateOptions>& options);

} // namespace tools::img

#endif
