// Dispatcher: runs commands by name. The generated CommandTable implements it, and tests have their
// own.
#ifndef QAPI_DISPATCHER_H
#define QAPI_DISPATCHER_H

#include "block/result.h"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace qapi {

// Used on the monitor's thread only.
class Dispatcher {
public:
  virtual ~Dispatcher() = default;

  virtual bool knows(std::string_view command) const = 0;
  // Runs a known command. Returns its result as JSON text, "{}" if it has none. `arguments` is an
  // object. Errors: invalid_argument for arguments that do not match the schema; those of the
  // handler.
  virtual block::Result<std::string> run(std::string_view command,
                                         const nlohmann::json& arguments) = 0;
};

// An event for the clients. The generated event_of() functions create it.
struct Event {
  std::string name; // "SHUTDOWN"
  std::string data; // its data as JSON text, "{}" if it has none
};

} // namespace qapi

#endif
