// An image of any bytes in RAM behind the real qcow2 driver, and the uses that fuzz targets make of
// it. What must never be ends the process with a message, which libFuzzer takes for a finding.
#ifndef TESTS_FUZZ_HOSTILE_IMAGE_H
#define TESTS_FUZZ_HOSTILE_IMAGE_H

#include "block/graph.h"
#include "tests/support/memory-file.h"

#include <string>
#include <vector>

namespace fuzz {

using Bytes = std::vector<std::byte>;

// Ends the process unless the claim holds; `what` says what should have been.
void require(bool holds, const std::string& what);
// The same for an action that has to succeed; its message is shown.
template <typename T>
void require_ok(const block::Result<T>& result, const std::string& what) {
  require(result.ok(), result.ok() ? what : what + ": " + result.error().message());
}

struct CheckOutcome {
  block::CheckReport report;
  std::string error; // empty unless the check failed
  std::string lines; // what it reported, one finding a line
  bool clean() const {
    return error.empty() && report.corruptions + report.leaks + report.check_errors == 0;
  }
  // Nothing is left that a repair could not mend.
  bool repaired() const { return error.empty() && report.corruptions + report.check_errors == 0; }
};

class HostileImage {
public:
  // The file cannot grow beyond `capacity` bytes, as on a small disk.
  explicit HostileImage(Bytes content, std::uint64_t capacity = 16 << 20);
  ~HostileImage();
  HostileImage(const HostileImage&) = delete;
  HostileImage& operator=(const HostileImage&) = delete;

  // An error may be the right answer; its message must say something.
  bool open(const block::Options& further = {}, bool read_only = false);
  bool is_open() const { return node_ != nullptr; }
  block::Node& node() { return *node_; }
  // Whether all became durable.
  bool close();
  CheckOutcome check(bool repair, bool deep = false);

  // --- Uses of the open image in which nothing is expected but an end. ---
  // Reads the beginning, the end, and what block status says to be data; a bounded part.
  void read_somewhere();
  // Writes what is new, what is stored already and zeros, discards, flushes.
  void write_somewhere();
  // Until the dedup index is loaded; ends the process if that takes 20 seconds. No-op without
  // deduplication.
  void wait_for_index();

  Bytes content() const { return file_->content(); }
  bool holds(const Bytes& content) const;

private:
  std::shared_ptr<block::MemoryFile> file_;
  block::Graph graph_;
  std::shared_ptr<block::Node> node_;
};

// A piece of text that is another one for another seed.
std::string content_of(std::size_t bytes, unsigned seed);

// Checks, repairs, checks again and uses what the repair left: never worse than it said, no guest
// data that changes by it.
void check_and_repair(HostileImage& image);

} // namespace fuzz

#endif
