// The subcommands of dedup-img.
#ifndef BLOCK_TOOLS_IMG_COMMAND_H
#define BLOCK_TOOLS_IMG_COMMAND_H

#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tools::img {

// Each parses the command line from its own name on (argv[0] = "create") and returns the exit
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
  const char* synopsis; // the operands and options after the name
  int (*run)(int argc, char** argv);
  bool result_is_output = false; // the output is of use only if it is complete
};

// Runs the subcommand that argv[1] names; argv[0] is the program. Returns the exit status.
int run(int argc, char** argv);
// Prints the usage of the subcommand on stdout. Returns exit status 0.
int print_help(const std::string& name);

// Parses --output=human|json. For other values, prints a message on stderr and returns false.
bool parse_output_format(const std::string& text, bool& json);

// Takes the image that an operand names, with -f (option id `format`) and --image-opts (option id
// `image_opts`). If both are given, prints a message on stderr and returns false.
bool parse_image_name(const CommandLine& line, const std::string& operand, int format,
                      int image_opts, ImageName& name);

// Parses the value of -t or -T, if it is given. For an unknown mode, prints "Invalid WHAT option:
// MODE" on stderr and returns false.
bool parse_cache_option(const std::optional<std::string>& text, const std::string& what,
                        CacheMode& mode);

// Formats JSON as QEMU's tools do, with four spaces per level. Bytes that are not UTF-8 are
// replaced.
std::string json_text(const nlohmann::ordered_json& value);

// Closes every node. Prints failures and then returns false. Data that was written to an image is
// durable only if this succeeds.
bool close_graph(block::Graph& graph);

} // namespace tools::img

#endif
