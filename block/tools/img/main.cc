// dedup-img's entry.
#include "block/tools/img/command.h"

int main(int argc, char** argv) {
  return tools::img::run(argc, argv);
}
