// dedup-img: the table of subcommands, and the choice of one.
#include "block/tools/img/command.h"

#include "block/tools/common/program.h"

#include <array>
#include <cstdio>

namespace tools::img {
namespace {

constexpr std::array commands = {
    Command{"amend", "[-p] [-q] [-t CACHE] [-f FMT | --image-opts] -o OPTIONS FILE", amend_command},
    Command{"bench",
            "[-c COUNT] [-d DEPTH] [-f FMT | --image-opts] [--flush-interval=N [--no-drain]] [-i "
            "threads]"
            " [-o OFFSET] [--pattern=BYTE] [-q] [-s BYTES] [-S STEP] [-t CACHE] [-w] [-U] FILE",
            bench_command, true},
    Command{
        "check",
        "[-q] [-p] [-f FMT | --image-opts] [-r leaks|all] [--all] [--deep] [--output=human|json]"
        " [-T CACHE] [-U] FILE",
        check_command, true},
    Command{"compare",
            "[-f FMT] [-F FMT] [--image-opts] [-s] [-p] [-q] [-T CACHE] [-U] FILE1 FILE2",
            compare_command},
    Command{"convert",
            "[-f FMT] [-O FMT] [-o OPTIONS] [-B BACKING [-F FMT]] [-n [--target-is-zero]] [-p] [-q]"
            " [-S SIZE] [-m WORKERS] [-W] [-r RATE] [-t CACHE] [-T CACHE] [--image-opts]"
            " [--target-image-opts] [--salvage] [-U] FILE... OUTPUT",
            convert_command},
    Command{"create", "[-q] [-f FMT] [-b BACKING [-F FMT]] [-u] [-o OPTIONS] FILE [SIZE]",
            create_command},
    Command{"dedup", "[-p] [-q] [-r RATE] [-f FMT | --image-opts] FILE", dedup_command},
    Command{"info", "[-f FMT | --image-opts] [--backing-chain] [--output=human|json] [-U] FILE",
            info_command, true},
    Command{"map",
            "[-f FMT | --image-opts] [-s OFFSET] [-l LENGTH] [--owners] [--output=human|json] [-U]"
            " FILE",
            map_command, true},
    Command{"resize",
            "[-q] [-f FMT | --image-opts] [--shrink] [--preallocation=off|metadata|falloc|full]"
            " FILE [+|-]SIZE",
            resize_command},
    Command{"stats", "[--watch[=SECONDS]] [--output=human|json] QMP-SOCKET", stats_command, true},
    Command{"trim", "[-p] [-q] [-f FMT | --image-opts] [--output=human|json] FILE", trim_command,
            true},
};

int print_usage() {
  std::printf("usage: %s COMMAND [OPTION]... FILE...\n"
              "Creates, examines and converts disk images.\n\n"
              "  -h, --help     show this\n"
              "  -V, --version  show the version\n\n"
              "Commands ('%s COMMAND --help' shows one of them):\n",
              program_name().c_str(), program_name().c_str());
  for (const Command& command : commands)
    std::printf("  %s %s\n", command.name, command.synopsis);
  std::printf("\nSizes are in bytes, or have a suffix k, M, G, T, P or E (powers of 1024).\n");
  return 0;
}

} // namespace

int run(int argc, char** argv) {
  set_program_name(argv[0]);
  if (argc < 2) {
    report_usage_error("Not enough arguments");
    return 1;
  }
  std::string first = argv[1];
  if (first == "-h" || first == "--help") return print_usage();
  if (first == "-V" || first == "--version") {
    std::printf("%s version %s\n", program_name().c_str(), QCOW2_DEDUP_VERSION);
    return 0;
  }
  if (first.starts_with("-")) {
    report_usage_error("unrecognized option '" + first + "'");
    return 1;
  }
  for (const Command& command : commands) {
    if (first != command.name) continue;
    const int status = command.run(argc - 1, argv + 1);
    return command.result_is_output ? expect_complete_output(status) : status;
  }
  report_usage_error("Command not found: " + first);
  return 1;
}

int print_help(const std::string& name) {
  for (const Command& command : commands)
    if (name == command.name)
      std::printf("usage: %s %s %s\n", program_name().c_str(), command.name, command.synopsis);
  return 0;
}

} // namespace tools::img
