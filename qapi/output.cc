// Converts facts of a driver to JSON.
#include "qapi/output.h"

namespace qapi {
namespace {

nlohmann::ordered_json fact(const block::InfoValue& fact_value) {
  return std::visit([](const auto& value) { return to_json(value); }, fact_value.value);
}

} // namespace

nlohmann::ordered_json to_json(const block::InfoFields& fields) {
  auto object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : fields)
    object[name] = fact(value);
  return object;
}

} // namespace qapi
