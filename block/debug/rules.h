// Rules: which requests a blkdebug node fails or delays.
#ifndef BLOCK_DEBUG_RULES_H
#define BLOCK_DEBUG_RULES_H

#include "block/options.h"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace block::debug {

// What a request is, as the option "iotype" names it.
enum class IoType { read, write, write_zeroes, discard, flush, block_status };

// A set of IoTypes: bit 1 << type.
using IoTypes = unsigned;

// Read from options before the node opens, then used by its requests on any thread.
class Rules {
public:
  // Adds what the options hold under "inject-error.N.*", "inject-delay.N.*" and "set-state.N.*",
  // in the order of N, and takes it out of them. Errors: invalid_argument, naming the option.
  Result<void> add(Options& options);

  // A request of that type begins: waits as the rules say, and returns the error that they inject.
  // Offset and length are bytes, both 0 for a flush.
  Result<void> meet(IoType type, std::uint64_t offset, std::uint64_t bytes);

private:
  // Which requests a rule is about.
  struct Match {
    IoTypes types = 0;
    std::optional<std::uint64_t> sector; // of 512 bytes; only requests that touch it
    unsigned state = 0;                  // only in this state; 0 = in any
  };
  struct InjectError {
    Match match;
    int errno_value = 0;
    bool once = false;
    bool spent = false;
  };
  struct InjectDelay {
    Match match;
    std::chrono::milliseconds delay{0};
  };
  struct SetState {
    Match match;
    unsigned new_state = 0;
  };

  static Result<Match> take_match(Options& rule, bool has_iotype);
  Result<void> add_error(Options& rule);
  Result<void> add_delay(Options& rule);
  Result<void> add_transition(Options& rule);
  bool matches(const Match& match, IoType type, std::uint64_t offset, std::uint64_t bytes) const;

  std::mutex mutex_; // guards what requests change: spent, state_
  std::vector<InjectError> errors_;
  std::vector<InjectDelay> delays_;
  std::vector<SetState> transitions_;
  unsigned state_ = 1;
};

} // namespace block::debug

#endif
