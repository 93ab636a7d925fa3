// Rules: which requests a blkdebug node fails or delays.
#ifndef BLOCK_DEBUG_RULES_H
#define BLOCK_DEBUG_RULES_H

#include "block/debug-event.h"
#include "block/options.h"
#include "block/util/mutex.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace block::debug {

// The type of a request, as the option "iotype" names it.
enum class IoType { read, write, write_zeroes, discard, flush, block_status };

// A set of IoTypes: bit 1 << type.
using IoTypes = unsigned;

// The effect of the rules on one request.
struct Verdict {
  std::optional<Error> error;   // set if the request fails
  std::uint64_t done_bytes = 0; // of a failing read or write: this many bytes are done first
};

// Filled from options before the node opens, then used by requests on any thread.
//
// A rule without an event applies to every request. A rule with an event is armed when the event
// happens in the rule's state. It applies to the next matching request of the same thread. If
// another event arms further rules for that thread, they replace the armed ones.
class Rules {
public:
  // Takes the options "inject-error.N.*", "inject-delay.N.*" and "set-state.N.*", and adds them as
  // rules in the order of N. Errors: invalid_argument, with the name of the option.
  Result<void> add(Options& options);

  // Called when the event happens on this thread.
  void happen(DebugEvent event);

  // Called when a request begins. Sleeps as long as the rules say and returns their effect. Offset
  // and length are in bytes, both 0 for a flush.
  Verdict meet(IoType type, std::uint64_t offset, std::uint64_t bytes);

private:
  // The requests that a rule applies to.
  struct Match {
    IoTypes types = 0;
    std::optional<std::uint64_t> sector; // in units of 512 bytes; only requests that overlap
    std::uint64_t sectors = 1;           // the range of `sectors` sectors that begins there
    unsigned state = 0;                  // only in this state; 0 = in any
    std::optional<DebugEvent> event;
    bool spent = false; // the rule was for one request, which has come
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

  // The armed rules with events, by index.
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
  // Applies the first matching rule. All other rules have tested the state before.
  template <typename Applies>
  void change_state(const Applies& applies);

  bool listens_ = false; // there is a rule with an event
  Mutex mutex_;          // guards what requests change: Match::spent, state_, waiting_
  std::vector<InjectError> errors_;
  std::vector<InjectDelay> delays_;
  std::vector<SetState> transitions_;
  unsigned state_ = 1;
  std::unordered_map<std::thread::id, Waiting> waiting_; // by thread; only threads with armed rules
};

} // namespace block::debug

#endif
