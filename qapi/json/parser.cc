// Parses untrusted JSON. Builds the tree from nlohmann's parse events, because nlohmann's own
// builder keeps the last of two equal keys and converts integers that are too large to doubles.
#include "qapi/json/parser.h"

#include "qapi/json/framer.h"

#include <nlohmann/json.hpp>

namespace qapi {
namespace {

using nlohmann::json;

block::Error parse_error(const std::string& reason) {
  return block::Error(block::ErrorKind::invalid_argument, "JSON parse error, " + reason);
}

// Receives the events of the parser. The framer has checked depth and size.
class TreeBuilder final : public json::json_sax_t {
public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }

  // Also called for integers that fit no integer type. Their text has no point and no exponent.
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == string_t::npos) return refuse("integer out of range");
    return add(value);
  }

  bool string(string_t& value) override {
    if (has_nul(value)) return refuse("a string contains a NUL character");
    return add(std::move(value));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool start_object(std::size_t) override { return begin(json::object()); }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return begin(json::array()); }
  bool end_array() override { return end(); }

  bool key(string_t& name) override {
    if (has_nul(name)) return refuse("a key contains a NUL character");
    const auto [place, added] = open_.back()->emplace(name, nullptr);
    if (!added) return refuse("duplicate key '" + shortened(name) + "'");
    member_ = &*place;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The message of the library ends with the last token, which may be as long as the input.
    std::string reason = error.what();
    reason = reason.substr(0, reason.find("; last read"));
    if (const auto begin = reason.find("syntax error"); begin != std::string::npos)
      reason.erase(0, begin);
    return refuse("at byte " + std::to_string(position) + ": " + shortened(reason));
  }

  block::Result<json> take(bool parsed) {
    if (!parsed) return qapi::parse_error(reason_.empty() ? "not a JSON value" : reason_);
    return std::move(root_);
  }

private:
  static bool has_nul(const string_t& text) { return text.find('\0') != string_t::npos; }
  static std::string shortened(const std::string& text) {
    return text.size() <= 200 ? text : text.substr(0, 200) + "...";
  }

  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  // Returns the position of the next value: the root, the end of an array, or the member of the
  // last key.
  json& place() {
    if (open_.empty()) return root_;
    if (open_.back()->is_object()) return *member_;
    return open_.back()->emplace_back();
  }

  template <typename T>
  bool add(T&& value) {
    place() = std::forward<T>(value);
    return true;
  }

  bool begin(json&& container) {
    json& here = place();
    here = std::move(container);
    open_.push_back(&here);
    return true;
  }

  bool end() {
    open_.pop_back();
    return true;
  }

  json root_;
  // The containers around the current position, outermost first. The address of an open container
  // does not change, because nothing is added to its parents while it is open.
  std::vector<json*> open_;
  json* member_ = nullptr;
  std::string reason_;
};

} // namespace

block::Result<json> parse_frame(std::string_view text) {
  TreeBuilder builder;
  const bool parsed = json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take(parsed);
}

block::Result<json> parse_json(std::string_view text) {
  JsonFramer framer;
  std::optional<JsonFramer::Frame> frame = framer.next(text);
  if (!frame) frame = framer.finish();
  if (!frame) return parse_error("there is no value");
  if (!frame->error.empty())
    return block::Error(block::ErrorKind::invalid_argument, std::move(frame->error));
  if (framer.next(text) || framer.finish()) return parse_error("text after the value");
  return parse_frame(frame->text);
}

} // namespace qapi
