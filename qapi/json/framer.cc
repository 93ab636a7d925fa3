// JsonFramer: a state machine over bytes.
#include "qapi/json/framer.h"

#include <cstdio>

namespace qapi {
namespace {

bool is_space(unsigned char byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

// Returns whether the byte may be part of a number, or of true, false or null.
bool is_word(unsigned char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '+' ||
         byte == '-' || byte == '.' || byte == 'E';
}

// Returns whether the byte never occurs in text. Clients send such bytes to resynchronise the
// parser.
bool is_reset(unsigned char byte) {
  return (byte < 0x20 && byte != '\t') || byte == 0xFE || byte == 0xFF;
}

} // namespace

std::optional<JsonFramer::Frame> JsonFramer::next(std::string_view& input) {
  while (!input.empty()) {
    const Step step = take(static_cast<unsigned char>(input.front()));
    if (step != Step::complete_before) input.remove_prefix(1);
    if (step != Step::more) return complete();
  }
  return std::nullopt;
}

std::optional<JsonFramer::Frame> JsonFramer::finish() {
  if (state_ == State::word) return complete();
  if (state_ == State::between || state_ == State::skipping) return std::nullopt;
  fail("the value is cut off");
  return complete();
}

JsonFramer::Frame JsonFramer::complete() {
  Frame frame{std::move(text_), std::move(error_)};
  text_.clear();
  error_.clear();
  depth_ = 0;
  if (frame.error.empty()) state_ = State::between;
  return frame;
}

JsonFramer::Step JsonFramer::take(unsigned char byte) {
  switch (state_) {
  case State::skipping:
    if (byte != '{' && byte != '[' && !is_reset(byte)) return Step::more;
    state_ = State::between;
    resynchronised_ = true;
    return take_outside_string(byte);
  case State::word:
    if (is_word(byte)) return append({reinterpret_cast<const char*>(&byte), 1});
    return Step::complete_before;
  case State::between:
  case State::inside:
    return take_outside_string(byte);
  case State::in_double:
  case State::in_single:
  case State::escape:
    return take_in_string(byte);
  }
  return Step::more;
}

JsonFramer::Step JsonFramer::take_outside_string(unsigned char byte) {
  const bool between = state_ == State::between;
  if (between && (is_space(byte) || (resynchronised_ && is_reset(byte)))) return Step::more;
  resynchronised_ = false;
  switch (byte) {
  case '{':
  case '[':
    return open(byte == '{');
  case '}':
  case ']':
    return between ? fail_stray(byte) : close(byte == '}');
  case '"':
  case '\'':
    state_ = byte == '"' ? State::in_double : State::in_single;
    return append("\"");
  default:
    break;
  }
  if (is_word(byte)) {
    if (between) state_ = State::word;
  } else if (between || (!is_space(byte) && byte != ',' && byte != ':')) {
    return fail_stray(byte);
  }
  return append({reinterpret_cast<const char*>(&byte), 1});
}

JsonFramer::Step JsonFramer::take_in_string(unsigned char byte) {
  if (byte < 0x20 || byte >= 0xFE) return fail_stray(byte);
  const std::string_view bytes(reinterpret_cast<const char*>(&byte), 1);
  if (state_ == State::escape) {
    state_ = single_quoted_ ? State::in_single : State::in_double;
    // \' is valid in QMP but not in JSON.
    if (byte == '\'') return append("'");
    if (append("\\") == Step::failed) return Step::failed;
    return append(bytes);
  }
  const bool single = state_ == State::in_single;
  if (byte == '\\') {
    single_quoted_ = single;
    state_ = State::escape;
    return Step::more;
  }
  if (byte == (single ? '\'' : '"')) {
    if (append("\"") == Step::failed) return Step::failed;
    state_ = State::inside;
    return depth_ == 0 ? Step::complete : Step::more;
  }
  return append(byte == '"' ? std::string_view("\\\"") : bytes);
}

JsonFramer::Step JsonFramer::open(bool is_object) {
  if (depth_ == max_json_depth)
    return fail("more than " + std::to_string(max_json_depth) + " levels of nesting");
  is_object_[depth_++] = is_object;
  state_ = State::inside;
  return append(is_object ? "{" : "[");
}

JsonFramer::Step JsonFramer::close(bool is_object) {
  if (is_object_[depth_ - 1] != is_object) return fail_stray(is_object ? '}' : ']');
  --depth_;
  if (append(is_object ? "}" : "]") == Step::failed) return Step::failed;
  return depth_ == 0 ? Step::complete : Step::more;
}

JsonFramer::Step JsonFramer::append(std::string_view bytes) {
  if (text_.size() + bytes.size() > max_json_bytes)
    return fail("a value of more than " + std::to_string(max_json_bytes) + " bytes");
  text_ += bytes;
  return Step::more;
}

JsonFramer::Step JsonFramer::fail(std::string reason) {
  error_ = "JSON parse error, " + std::move(reason);
  text_ = std::string(); // frees the memory
  state_ = State::skipping;
  return Step::failed;
}

JsonFramer::Step JsonFramer::fail_stray(unsigned char byte) {
  char shown[8];
  if (byte > 0x20 && byte < 0x7F)
    std::snprintf(shown, sizeof shown, "'%c'", byte);
  else
    std::snprintf(shown, sizeof shown, "0x%02x", byte);
  return fail(std::string("stray ") + shown);
}

} // namespace qapi
