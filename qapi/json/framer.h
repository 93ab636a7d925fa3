// JsonFramer: cuts a stream of bytes into JSON values, before anything parses them.
//
// Values need no separator and may arrive in pieces of any size. The framer knows just enough of
// JSON to find the end of a value: strings, nesting, and which bytes may stand outside strings. It
// enforces the limits while the bytes arrive, so the parser never sees what is too large or too
// deep.
#ifndef QAPI_JSON_FRAMER_H
#define QAPI_JSON_FRAMER_H

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qapi {

inline constexpr std::size_t max_json_bytes = 1024 * 1024; // one value
inline constexpr std::size_t max_json_depth = 1024;        // arrays and objects inside each other

// One thread at a time. Holds at most max_json_bytes.
class JsonFramer {
public:
  struct Frame {
    // The text of one value, its single-quoted strings turned into double-quoted ones. May still
    // not be JSON: the parser decides.
    std::string text;
    // Empty, or why there is no value here.
    std::string error;
  };

  // Takes bytes off the front of `input`, up to and including the end of the first value or error.
  // Nothing: `input` is used up and ends within a value, or between values.
  //
  // After an error, everything up to the next '{', '[', control character other than a tab, 0xFE or
  // 0xFF is skipped, so a client comes back into step with a new line or a new object.
  std::optional<Frame> next(std::string_view& input);

  // For texts with an end: the frame that only the end completes (a number), or an error for a
  // value that is cut off. Nothing if no value has begun.
  std::optional<Frame> finish();

private:
  enum class State {
    between,   // before a value
    inside,    // within an object or array, outside strings
    word,      // a number or keyword that is a value of its own
    in_double, // "..."
    in_single, // '...'
    escape,    // after a backslash in a string
    skipping,  // after an error
  };
  enum class Step { more, complete, complete_before, failed };

  Step take(unsigned char byte);
  Step take_outside_string(unsigned char byte);
  Step take_in_string(unsigned char byte);
  Step open(bool is_object);
  Step close(bool is_object);
  Step append(std::string_view bytes);
  Step fail(std::string reason);
  Step fail_stray(unsigned char byte);
  Frame complete();

  State state_ = State::between;
  bool single_quoted_ = false;  // of the string an escape belongs to
  bool resynchronised_ = false; // control characters after an error are not errors of their own
  std::size_t depth_ = 0;
  std::bitset<max_json_depth> is_object_; // for each open bracket
  std::string text_;
  std::string error_;
};

} // namespace qapi

#endif
