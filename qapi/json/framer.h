// JsonFramer: splits a stream of bytes into JSON values, before they are parsed.
//
// Values need no separator and may arrive in pieces of any size. The framer understands only as
// much JSON as it needs to find the end of a value: strings, nesting, and the bytes that are
// allowed outside strings. It enforces the limits while the bytes arrive, so the parser never gets
// a value that is too large or too deep.
#ifndef QAPI_JSON_FRAMER_H
#define QAPI_JSON_FRAMER_H

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qapi {

inline constexpr std::size_t max_json_bytes = 1024 * 1024; // one value
inline constexpr std::size_t max_json_depth = 1024;        // nested arrays and objects

// One thread at a time. Stores at most max_json_bytes.
class JsonFramer {
public:
  struct Frame {
    // The text of one value, with single-quoted strings converted to double-quoted ones. It may
    // still be invalid JSON, which the parser detects.
    std::string text;
    // Empty, or the reason why there is no value here.
    std::string error;
  };

  // Removes bytes from the front of `input`, up to and including the end of the first value or
  // error. Returns nothing if `input` is used up, within a value or between values.
  //
  // After an error, the framer skips everything up to the next '{', '[', control character other
  // than a tab, 0xFE or 0xFF. So a client resynchronises with a new line or a new object.
  std::optional<Frame> next(std::string_view& input);

  // For a complete text: returns the frame that only the end of the text completes (a number), or
  // an error for an incomplete value. Returns nothing if no value has begun.
  std::optional<Frame> finish();

private:
  enum class State {
    between,   // before a value
    inside,    // within an object or array, outside strings
    word,      // a number or keyword outside arrays and objects
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
  bool single_quoted_ = false;  // the string of the escape is single-quoted
  bool resynchronised_ = false; // after an error: control characters are not further errors
  std::size_t depth_ = 0;
  std::bitset<max_json_depth> is_object_; // one bit for each open bracket
  std::string text_;
  std::string error_;
};

} // namespace qapi

#endif
