// An image file in RAM for tests of single parts of the qcow2 code, without a driver on top.
#ifndef TESTS_QCOW2_MEMORY_HOST_H
#define TESTS_QCOW2_MEMORY_HOST_H

#include "block/qcow2/host-file.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

namespace qcow2 {

class MemoryHost {
public:
  explicit MemoryHost(const std::string& name, std::vector<std::byte> content = {})
      : memory(block::MemoryFile::create(name, std::move(content))),
        node(block::open(graph, {{"driver", "memory"}, {"filename", name}})),
        file(*node) {}
  ~MemoryHost() {
    memory->heal();
    node.reset();
    EXPECT_TRUE(succeeded(graph.close_all()));
  }

  std::shared_ptr<block::MemoryFile> memory;
  block::Graph graph;
  std::shared_ptr<block::Node> node;
  HostFile file;
};

} // namespace qcow2

#endif
