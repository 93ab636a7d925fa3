// The subcommands of dedup-img.
#ifndef BLOCK_TOOLS_IMG_COMMAND_H
#define BLOCK_TOOLS_IMG_COMMAND_H

#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tools::img {

// Each takes the command line from its own name on (argv[0] = "create") and returns the exit
// status of the program.
int bench_command(int argc, char** argv);
int create_command(int argc, char** argv);
int info_command(int argc, char** argv);
int check_command(int argc, char** argv);
int map_command(int argc, char** argv);
int convert_command(int argc, char** argv);
int compare_command(int argc, char** argv);
int resize_command(int argc, char** argv);
int amend_command(int argc, char** argv);
int dedup_command(int argc, char** argv);
int stats_command(int argc, char** argv);
int trim_command(int argc, char** argv);

struct Command {
  const char* name;
  const char* synopsis; // what follows the name
  int (*run)(int argc, char** argv);
  bool result_is_output = false; // what it prints is of use only if it is complete
};

// Runs the subcommand that the command line names; argv[0] is the program. Returns its exit status.
int run(int argc, char** argv);
// Prints how the subcommand of that name is called, on stdout. Returns exit status 0.
int print_help(const std::string& name);

// --output=human|json. False, with a message on stderr, for anything else.
bool parse_output_format(const std::string& text, bool& json);

// The image that an operand names, with -f (option id `format`) and --image-opts (id `image_opts`).
// False, with a message on stderr, if both were given.
bool parse_image_name(const CommandLine& line, const std::string& operand, int format,
                      int image_opts, ImageName& name);

// -t and -T, if given. False, with "Invalid WHAT option: MODE" on stderr, for an unknown mode.
bool parse_cache_option(const std::optional<std::string>& text, const std::string& what,
                        CacheMode& mode);

// As QEMU's tools print JSON: four spaces a level. Bytes that are no UTF-8 are replaced.
std::string json_text(const nlohmann::ordered_json& value);

// Closes every node and reports a failure; false then. An image that was written is durable only
// after this succeeded.
bool close_graph(block::Graph& graph);

} // namespace tools::img

#endif
