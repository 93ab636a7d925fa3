// Node options: a flat map from dotted key to text, as in "driver=qcow2,file.filename=d.qcow2".
#ifndef BLOCK_OPTIONS_H
#define BLOCK_OPTIONS_H

#include "block/result.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace block {

// Each consumer of a key takes it out; a key that is left at the end is an unknown option. Values
// are kept as text; take_*() convert them. Not synchronised: one thread uses an Options object at a
// time.
class Options {
public:
  Options() = default;
  Options(std::initializer_list<std::pair<const std::string, std::string>> entries)
      : entries_(entries) {}

  // Parses "key=value,key=value". A doubled comma stands for a comma in a value. A key without "="
  // gets the value "on". A repeated key keeps its last value. If implied_key is given, a first
  // element without "=" is the value of that key.
  static Result<Options> parse(std::string_view text, std::string_view implied_key = {});

  bool empty() const { return entries_.empty(); }
  bool contains(std::string_view key) const;
  const std::map<std::string, std::string>& entries() const { return entries_; }
  void set(std::string key, std::string value);
  // Sets the key if it is absent.
  void set_default(std::string key, std::string value);

  // Each removes the key and returns its value, or nothing or the default if it is absent. Error,
  // which names the key: the text is not valid.
  std::optional<std::string> take(std::string_view key);
  Result<bool> take_bool(std::string_view key, bool absent); // on/off, yes/no, true/false
  Result<std::uint64_t> take_size(std::string_view key,
                                  std::uint64_t absent); // bytes, see parse_size()
  Result<std::uint64_t> take_number(std::string_view key, std::uint64_t absent);

  // Removes every key that begins with "prefix." and returns these keys without the prefix.
  Options take_children(std::string_view prefix);

  // Returns an error that names the first key left, or success. `who` is the node or driver that
  // does not support the key.
  Result<void> expect_empty(std::string_view who) const;

private:
  std::map<std::string, std::string> entries_;
};

// Parses a size in bytes: decimal or 0x hex, an optional suffix b k K m M g G t T p P e E (powers
// of 1024), a decimal fraction before a suffix ("1.5M"). Errors: not a number, out of range.
Result<std::uint64_t> parse_size(std::string_view text);

} // namespace block

#endif
