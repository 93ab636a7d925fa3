// Converts C++ values to JSON. For generated code only, because this header is slow to compile.
#ifndef QAPI_OUTPUT_H
#define QAPI_OUTPUT_H

#include "block/info.h"

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace qapi {

inline nlohmann::ordered_json to_json(const std::string& value) {
  return value;
}
inline nlohmann::ordered_json to_json(bool value) {
  return value;
}
inline nlohmann::ordered_json to_json(std::int64_t value) {
  return value;
}
inline nlohmann::ordered_json to_json(std::uint64_t value) {
  return value;
}
inline nlohmann::ordered_json to_json(double value) {
  return value;
}
nlohmann::ordered_json to_json(const block::InfoFields& fields);

template <typename T>
nlohmann::ordered_json to_json(const std::vector<T>& values) {
  auto array = nlohmann::ordered_json::array();
  for (const T& value : values)
    array.push_back(to_json(value));
  return array;
}

// Adds a member. An absent optional value adds nothing.
template <typename T>
void put(nlohmann::ordered_json& object, const char* name, const T& value) {
  object[name] = to_json(value);
}
template <typename T>
void put(nlohmann::ordered_json& object, const char* name, const std::optional<T>& value) {
  if (value) put(object, name, *value);
}
template <typename T>
void put(nlohmann::ordered_json& object, const char* name, const std::shared_ptr<T>& value) {
  if (value) put(object, name, *value);
}

} // namespace qapi

#endif
