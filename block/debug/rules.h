// Rules: which requests a blkdebug node fails or delays.
#ifndef BLOCK_DEBUG_RULES_H
#define BLOCK_DEBUG_RULES_H

#include "block/debug-event.h"
#include "block/options.h"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace block::debug {

// What a request is, as the option "iotype" names it.
enum class IoType { read, write, write_zeroes, discard, flush, block_status };

// A set of IoTypes: bit 1 << type.
using IoTypes = unsigned;

// What the rules say to one request.
struct Verdict {
  std::optional<Error> error;   // with which it fails, if it does
  std::uint64_t done_bytes = 0; // of a read or write that fails: how much of it is done before
};

// Read from options before the node opens, then used by its requests on any thread.
//
// A rule without an event is about every request. A rule with an event lies in wait from the moment
// in which the event happens, in the rule's state, for the next request of the same thread that
// fits it; when another event brings further rules, they take its place.
class Rules {
public:
  // Adds what the options hold under "inject-error.N.*", "inject-delay.N.*" and "set-state.N.*",
  // in the order of N, and takes it out of them. Errors: invalid_argument, naming the option.
  Result<void> add(Options& options);

  // The event happens on this thread.
  void happen(DebugEvent event);

  // A request of that type begins: waits as the rules say, and returns what becomes of it. Offset
  // and length are bytes, both 0 for a flush.
  Verdict meet(IoType type, std::uint64_t offset, std::uint64_t bytes);

private:
  // Which requests a rule is about.
  struct Match {
    IoTypes types = 0;
    std::optional<std::uint64_t> sector; // of 512 bytes; only requests that touch it
    std::uint64_t sectors = 1;           // or one of so many from it on
    unsigned state = 0;                  // only in this state; 0 = in any
    std::optional<DebugEvent> event;
    bool spent = false; // was for once, and has been used
  };
  struct InjectError {
    Match match;
    int errno_value = 0;
    std::uint64_t done_bytes = 0;
    bool once = false;
  };
  struct InjectDelay {
    Match match;
    std::chrono::milliseconds delay{0};
  };
  struct SetState {
    Match match;
    unsigned new_state = 0;
  };

  // Rules with events that lie in wait, by their indices.
  struct Waiting {
    std::vector<std::size_t> errors, delays;
  };

  static Result<Match> take_match(Options& rule, bool has_iotype);
  Result<void> add_error(Options& rule);
  Result<void> add_delay(Options& rule);
  Result<void> add_transition(Options& rule);
  bool is_ready(const Match& match) const {
    return !match.spent && (match.state == 0 || match.state == state_);
  }
  static bool fits(const Match& match, IoType type, std::uint64_t offset, std::uint64_t bytes);
  template <typename Rule>
  Rule* find(std::vector<Rule>& rules, std::vector<std::size_t>& waiting, IoType type,
             std::uint64_t offset, std::uint64_t bytes);
  // The first rule about the moment changes the state, which all other rules have seen by then.
  template <typename Applies>
  void change_state(const Applies& applies);

  bool listens_ = false; // to events: there is a rule with one
  std::mutex mutex_;     // guards what requests change: Match::spent, state_, waiting_
  std::vector<InjectError> errors_;
  std::vector<InjectDelay> delays_;
  std::vector<SetState> transitions_;
  unsigned state_ = 1;
  std::unordered_map<std::thread::id, Waiting> waiting_; // of threads for which some wait
};

} // namespace block::debug

#endif
