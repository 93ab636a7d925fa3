// Short functions for tests of nodes. Errors become failed expectations with their message.
#ifndef TESTS_SUPPORT_NODES_H
#define TESTS_SUPPORT_NODES_H

#include "block/graph.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace block {

template <typename T>
testing::AssertionResult succeeded(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message();
}

// Returns the message of a result that must be an error.
template <typename T>
std::string message_of(const Result<T>& result) {
  return result ? "(success)" : result.error().message();
}

template <typename T>
ErrorKind kind_of(const Result<T>& result) {
  EXPECT_FALSE(result.ok()) << "success where an error was expected";
  return result ? ErrorKind::io : result.error().kind();
}

// Opens a node. On an error, fails the test and returns null.
inline std::shared_ptr<Node> open(Graph& graph, Options options,
                                  Graph::OpenDefaults defaults = {}) {
  Result<std::shared_ptr<Node>> node = graph.open(std::move(options), defaults);
  EXPECT_TRUE(succeeded(node));
  return node ? *node : nullptr;
}

inline Result<void> write(Node& node, std::uint64_t offset, const std::string& data,
                          WriteFlags flags = {}) {
  return node.co_writev(offset, IoVector(data.data(), data.size()), flags);
}

// Returns the bytes that were read, or a text that no test expects.
inline std::string read(Node& node, std::uint64_t offset, std::size_t bytes) {
  std::string data(bytes, '?');
  const Result<void> done = node.co_readv(offset, IoVector(data.data(), data.size()));
  return done ? data : "read failed: " + done.error().message();
}

inline std::string zeros(std::size_t bytes) {
  return std::string(bytes, '\0');
}

// Returns bytes that differ from offset to offset, so that data at a wrong offset is noticed.
inline std::string pattern(std::size_t bytes, unsigned seed = 1) {
  std::string data(bytes, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& byte : data) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return data;
}

} // namespace block

#endif
