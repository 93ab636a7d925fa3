// Configuration: parses the texts of the options.
#include "monitor/configuration.h"

#include "qapi/command-line.h"
#include "qapi/marshal.h"

#include <algorithm>
#include <glib.h>

namespace monitor {
namespace {

using block::Error;
using block::ErrorKind;
using block::Options;
using block::Result;
using exports::TlsCredentials;

template <typename T>
const Given<T>* find_id(const std::vector<Given<T>>& list, const std::string& id) {
  auto found = std::find_if(list.begin(), list.end(),
                            [&](const Given<T>& given) { return given.value.id == id; });
  return found == list.end() ? nullptr : &*found;
}

Error duplicate(const std::string& what, const std::string& id) {
  return Error(ErrorKind::exists, "Duplicate ID '" + id + "' for " + what);
}

Result<std::string> take_required(Options& options, std::string_view key) {
  std::optional<std::string> value = options.take(key);
  if (value) return *value;
  return Error(ErrorKind::invalid_argument, "Parameter '" + std::string(key) + "' is missing");
}

// Parses "key=value,..." or a JSON object.
Result<Options> options_of(std::string_view text, std::string_view implied_key) {
  if (text.starts_with("{")) return qapi::options_from_json(text);
  return Options::parse(text, implied_key);
}

// Replaces "nowait" by wait=off and "server" by server=on, which QEMU accepts for some options.
Options with_short_forms(const Options& given) {
  Options options;
  for (const auto& [key, value] : given.entries()) {
    const bool negated = key.starts_with("no") && value == "on";
    options.set(negated ? key.substr(2) : key, negated ? "off" : value);
  }
  return options;
}

} // namespace

std::string absolute_path(const std::string& path) {
  g_autofree char* absolute = g_canonicalize_filename(path.c_str(), nullptr);
  return absolute;
}

Result<void> Configuration::add(std::string_view option, std::string_view text) {
  auto taken = take(option, text);
  if (!taken)
    return std::move(taken).error().context("--" + std::string(option) + " " + std::string(text));
  items_.push_back({std::string(option), std::string(text)});
  return {};
}

Result<void> Configuration::take(std::string_view option, std::string_view text) {
  std::string given = "--" + std::string(option) + " " + std::string(text);
  if (option == "module") return modules_.push_back({given, std::string(text)}), Result<void>();
  if (option == "pidfile") return pidfile_ = absolute_path(std::string(text)), Result<void>();

  struct Parser {
    std::string_view option;
    std::string_view implied_key;
    bool has_short_forms;
    Result<void> (Configuration::*add)(std::string text, Options options);
  };
  static constexpr Parser parsers[] = {
      {"blockdev", "driver", false, &Configuration::add_blockdev},
      {"export", "type", false, &Configuration::add_export},
      {"nbd-server", "", false, &Configuration::add_nbd_server},
      {"chardev", "backend", true, &Configuration::add_chardev},
      {"monitor", "chardev", true, &Configuration::add_monitor},
      {"object", "qom-type", false, &Configuration::add_object},
  };
  for (const Parser& parser : parsers)
    if (parser.option == option) {
      BLOCK_TRY_ASSIGN(Options options, options_of(text, parser.implied_key));
      if (parser.has_short_forms) options = with_short_forms(options);
      return (this->*parser.add)(std::move(given), std::move(options));
    }
  return Error(ErrorKind::invalid_argument, "unknown option");
}

Result<void> Configuration::add_blockdev(std::string text, Options options) {
  if (!options.contains("node-name"))
    return Error(ErrorKind::invalid_argument, "Parameter 'node-name' is missing");
  blockdevs_.push_back({std::move(text), std::move(options)});
  return {};
}

void Configuration::add_disk(const std::string& text, Options node, bool writable) {
  qapi::BlockExportOptions disk;
  disk.id = disk.node_name = "disk";
  disk.writable = writable;
  disk.u = qapi::BlockExportOptionsNbd{.name = "", .description = {}};
  node.set("node-name", disk.node_name);
  blockdevs_.push_back({text, std::move(node)});
  exports_.push_back({text, std::move(disk)});
}

Result<void> Configuration::add_export(std::string text, Options options) {
  BLOCK_TRY_ASSIGN(auto value, qapi::from_options<qapi::BlockExportOptions>(options));
  exports_.push_back({std::move(text), std::move(value)});
  return {};
}

Result<void> Configuration::add_nbd_server(std::string text, Options options) {
  if (nbd_server_)
    return Error(ErrorKind::exists, "the NBD server is defined already, and there is only one");
  NbdServer server;
  BLOCK_TRY_ASSIGN(server.parallel, options.take_bool("parallel", false));
  BLOCK_TRY_ASSIGN(server.options, qapi::from_options<qapi::NbdServerOptions>(options));
  nbd_server_ = {std::move(text), std::move(server)};
  return {};
}

Result<void> Configuration::add_chardev(std::string text, Options options) {
  BLOCK_TRY_ASSIGN(std::string backend, take_required(options, "backend"));
  if (backend != "socket")
    return Error(ErrorKind::unsupported,
                 "'" + backend + "' is not a valid char driver name; only 'socket' is supported");
  BLOCK_TRY_ASSIGN(auto value, qapi::from_options<qapi::ChardevSocketOptions>(options));
  if (find_id(chardevs_, value.id)) return duplicate("chardev", value.id);
  if (!value.server.value_or(false) || value.wait.value_or(false))
    return Error(ErrorKind::unsupported, "a monitor listens and does not wait for a client: "
                                         "server=on,wait=off is needed");
  if (value.path.has_value() == value.port.has_value() ||
      value.host.has_value() != value.port.has_value())
    return Error(ErrorKind::invalid_argument, "either 'path', or 'host' and 'port' are needed");
  if (value.path) value.path = absolute_path(*value.path);
  chardevs_.push_back({std::move(text), std::move(value)});
  return {};
}

Result<void> Configuration::add_monitor(std::string text, Options options) {
  BLOCK_TRY_ASSIGN(std::string chardev, take_required(options, "chardev"));
  if (options.take("mode").value_or("control") != "control")
    return Error(ErrorKind::unsupported, "only mode=control (QMP) is supported");
  options.take("id");
  BLOCK_TRY_ASSIGN(bool pretty, options.take_bool("pretty", false));
  if (pretty) return Error(ErrorKind::unsupported, "pretty=on is not supported");
  BLOCK_TRY(options.expect_empty("a monitor"));
  monitors_.push_back({std::move(text), std::move(chardev)});
  return {};
}

Result<void> Configuration::add_object(std::string text, Options options) {
  TlsCredentials credentials;
  BLOCK_TRY_ASSIGN(std::string type, take_required(options, "qom-type"));
  if (type == "tls-creds-x509")
    credentials.kind = TlsCredentials::Kind::x509;
  else if (type == "tls-creds-psk")
    credentials.kind = TlsCredentials::Kind::psk;
  else
    return Error(ErrorKind::unsupported, "invalid object type: " + type);
  BLOCK_TRY_ASSIGN(credentials.id, take_required(options, "id"));
  if (find_id(credentials_, credentials.id)) return duplicate("object", credentials.id);
  BLOCK_TRY_ASSIGN(std::string directory, take_required(options, "dir"));
  credentials.directory = absolute_path(directory);
  if (options.take("endpoint").value_or("client") != "server")
    return Error(ErrorKind::invalid_argument,
                 "Expecting TLS credentials with a server endpoint (endpoint=server)");
  BLOCK_TRY_ASSIGN(
      credentials.verify_peer,
      options.take_bool("verify-peer", credentials.kind == TlsCredentials::Kind::x509));
  BLOCK_TRY(options.expect_empty(type));
  credentials_.push_back({std::move(text), std::move(credentials)});
  return {};
}

Result<std::optional<Given<TlsCredentials>>> Configuration::nbd_credentials() const {
  if (!nbd_server_ || !nbd_server_->value.options.tls_creds)
    return std::optional<Given<TlsCredentials>>();
  const std::string& id = *nbd_server_->value.options.tls_creds;
  if (const auto* found = find_id(credentials_, id)) return std::optional(*found);
  return Error(ErrorKind::not_found, "No TLS credentials with id '" + id + "'")
      .context(nbd_server_->text);
}

Result<std::vector<Given<qapi::ChardevSocketOptions>>> Configuration::monitors() const {
  std::vector<Given<qapi::ChardevSocketOptions>> sockets;
  for (const Given<std::string>& monitor : monitors_) {
    const auto* chardev = find_id(chardevs_, monitor.value);
    if (!chardev)
      return Error(ErrorKind::not_found, "chardev '" + monitor.value + "' not found")
          .context(monitor.text);
    sockets.push_back(*chardev);
  }
  return sockets;
}

std::vector<Given<qapi::ChardevSocketOptions>> Configuration::idle_chardevs() const {
  std::vector<Given<qapi::ChardevSocketOptions>> idle;
  for (const auto& chardev : chardevs_)
    if (std::ranges::find(monitors_, chardev.value.id, &Given<std::string>::value) ==
        monitors_.end())
      idle.push_back(chardev);
  return idle;
}

} // namespace monitor
