// dedup-img's entry.
#include "block/tools/img/command.h"
#include "block/util/process.h"

#include <csignal>

int main(int argc, char** argv) {
  block::prepare_process();
  block::treat_as_termination(SIGALRM); // of a time limit that the caller set
  return tools::img::run(argc, argv);
}
