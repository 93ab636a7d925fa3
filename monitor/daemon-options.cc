// The daemon's command line: GLib's option parser fills a Configuration.
#include "monitor/daemon-options.h"

#include <glib.h>

namespace monitor {
namespace {

struct Parsing {
  DaemonOptions options;
  block::Result<void> result;
};

// Called for each option with a value, in the order of the command line.
gboolean take_option(const char* name, const char* value, gpointer data, GError** error) {
  auto& parsing = *static_cast<Parsing*>(data);
  parsing.result = parsing.options.configuration.add(name + 2, value); // without "--"
  if (parsing.result) return TRUE;
  g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                      parsing.result.error().message().c_str());
  return FALSE;
}

constexpr char description[] =
    "Values are lists KEY=VALUE,... or JSON objects; --blockdev, --export, --chardev, --monitor,\n"
    "--object and --module may be repeated.\n"
    "\n"
    "Example: serve an image over NBD on a Unix socket, with QMP on another\n"
    "  dedup-storage-daemon \\\n"
    "    --blockdev driver=qcow2,node-name=disk,file.driver=file,file.filename=disk.qcow2 \\\n"
    "    --nbd-server addr.type=unix,addr.path=nbd.sock \\\n"
    "    --export type=nbd,id=export,node-name=disk,name=disk,writable=on \\\n"
    "    --chardev socket,path=qmp.sock,server=on,wait=off,id=qmp --monitor chardev=qmp\n";

GOptionEntry value_option(const char* name, const char* help, const char* value_name) {
  return {name,
          0,
          G_OPTION_FLAG_FILENAME,
          G_OPTION_ARG_CALLBACK,
          reinterpret_cast<gpointer>(take_option),
          help,
          value_name};
}

} // namespace

block::Result<DaemonOptions> parse_daemon_options(std::vector<std::string> arguments) {
  Parsing parsing;
  gboolean daemonize = FALSE;
  gboolean show_version = FALSE;
  const GOptionEntry entries[] = {
      value_option("blockdev", "open a block node: driver=..., node-name=... and the driver's own",
                   "OPTIONS"),
      value_option("export", "offer a node: [type=]nbd,id=,node-name=[,name=][,writable=on]",
                   "OPTIONS"),
      value_option("nbd-server",
                   "where NBD clients connect: addr.type=unix,addr.path= or "
                   "addr.type=inet,addr.host=,addr.port= [,tls-creds=][,max-connections=]",
                   "OPTIONS"),
      value_option("chardev", "a socket for a monitor: socket,id=,path=,server=on,wait=off",
                   "OPTIONS"),
      value_option("monitor", "speak QMP there: [chardev=]ID", "OPTIONS"),
      value_option("object", "TLS: tls-creds-x509 or tls-creds-psk,id=,dir=,endpoint=server",
                   "OPTIONS"),
      value_option("module", "load a block driver module", "PATH"),
      value_option("pidfile", "write the process id there when ready", "PATH"),
      {"daemonize", 0, 0, G_OPTION_ARG_NONE, &daemonize,
       "go to the background; return when the sockets listen", nullptr},
      {"version", 'V', 0, G_OPTION_ARG_NONE, &show_version, "print the version", nullptr},
      {},
  };
  GOptionGroup* group = g_option_group_new("main", "", "", &parsing, nullptr);
  g_option_group_add_entries(group, entries);
  g_autoptr(GOptionContext) context = g_option_context_new("- serve block devices to guests");
  g_option_context_set_main_group(context, group);
  g_option_context_set_description(context, description);

  std::vector<char*> argv;
  for (std::string& argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  int argc = static_cast<int>(arguments.size());
  char** rest = argv.data();
  g_autoptr(GError) error = nullptr;
  if (!g_option_context_parse(context, &argc, &rest, &error)) {
    if (!parsing.result) return std::move(parsing.result).error();
    return block::Error(block::ErrorKind::invalid_argument, error->message);
  }
  if (argc > 1)
    return block::Error(block::ErrorKind::invalid_argument,
                        "Unexpected argument: " + std::string(rest[1]));
  parsing.options.daemonize = daemonize != FALSE;
  parsing.options.show_version = show_version != FALSE;
  return std::move(parsing.options);
}

} // namespace monitor
