// The main function of dedup-img.
#include "block/tools/img/command.h"
#include "block/util/process.h"

#include <csignal>

int main(int argc, char** argv) {
  block::prepare_process();
  block::treat_as_termination(SIGALRM); // the caller may have set a time limit
  return tools::img::run(argc, argv);
}
