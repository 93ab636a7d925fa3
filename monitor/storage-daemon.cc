// StorageDaemon: starts and stops the parts in the right order, and forwards events.
#include "monitor/storage-daemon.h"

#include "block/util/process.h"
#include "monitor/job-facts.h"
#include "monitor/qmp-server.h"
#include "qapi/commands.h"
#include "qapi/dispatch.h"
#include "qapi/marshal.h"

#include <csignal>
#include <glib-unix.h>
#include <utility>

namespace monitor {
namespace {

using block::Error;
using block::Result;

constexpr int end_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

Result<void> load_modules(const Configuration& configuration) {
  for (const auto& module : configuration.modules()) {
    auto loaded = block::DriverRegistry::instance().load_module(module.value);
    if (!loaded) return std::move(loaded).error().context(module.text);
  }
  return {};
}

} // namespace

StorageDaemon::StorageDaemon(std::function<void()> request_quit)
    : request_quit_(std::move(request_quit)),
      jobs_([this](const block::Job& job, block::JobStatus status) { handle_event(job, status); }),
      graph_(&jobs_),
      exports_(graph_, exports::all_export_types(),
               [this](const std::string& id) { export_deleted(id); }),
      context_{graph_, jobs_, exports_, [this](qapi::ShutdownCause cause) { quit(cause); }},
      commands_(std::make_unique<qapi::CommandTable>(context_)),
      dedup_watch_([this](const qapi::Event& event) { server_->broadcast(event); }) {
  graph_.set_event_sink([this](const block::Node& node, block::NodeEvent event,
                               const std::string& message) { handle_event(node, event, message); });
  thread_.run([this] {
    server_ = std::make_unique<QmpServer>(thread_.context(), *commands_,
                                          *qapi::qmp_query_version(context_));
  });
}

StorageDaemon::~StorageDaemon() {
  if (!server_) return;
  // Reached when the process ends by an unplanned exit().
  if (auto stopped = stop(); !stopped) g_warning("%s", stopped.error().message().c_str());
}

Result<void> StorageDaemon::start(const Configuration& configuration) {
  Result<void> started;
  // On the monitor thread, so that no command runs in between.
  thread_.run([&] {
    started = open_all(configuration);
    if (started) started = listen_all(configuration);
    if (started) handle_signals();
  });
  if (started) started = write_pid_file(configuration.pidfile());
  if (!started) thread_.run([&] { static_cast<void>(close_all()); });
  return started;
}

Result<void> StorageDaemon::open_all(const Configuration& configuration) {
  BLOCK_TRY(load_modules(configuration));
  for (const auto& blockdev : configuration.blockdevs()) {
    auto added = qapi::qmp_blockdev_add(context_, blockdev.value);
    if (!added) return std::move(added).error().context(blockdev.text);
  }
  for (const auto& one : configuration.exports()) {
    auto added = qapi::qmp_block_export_add(context_, one.value);
    if (!added) return std::move(added).error().context(one.text);
  }
  return {};
}

Result<void> StorageDaemon::listen_all(const Configuration& configuration) {
  BLOCK_TRY_ASSIGN(const auto sockets, configuration.monitors());
  for (const auto& socket : sockets) {
    auto listening = server_->listen(socket.value);
    if (!listening) return std::move(listening).error().context(socket.text);
  }
  for (const auto& chardev : configuration.idle_chardevs()) {
    auto listener = QmpListener::open(chardev.value);
    if (!listener) return std::move(listener).error().context(chardev.text);
    idle_sockets_.push_back(std::move(*listener));
  }
  return {};
}

Result<void> StorageDaemon::write_pid_file(const std::string& path) {
  if (path.empty()) return {};
  auto written = PidFile::create(path);
  if (!written) return std::move(written).error().context("--pidfile " + path);
  pid_file_ = std::move(*written);
  return {};
}

Result<void> StorageDaemon::stop() {
  // A signal that arrives after the handlers are removed must not kill the process, so all threads
  // block it.
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : end_signals)
    sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Result<void> closed;
  // On the monitor thread, so that no command uses nodes that are being closed.
  thread_.run([&] {
    announce_end(qapi::ShutdownCause::host_signal); // no effect if quit() has announced it
    closed = close_all();
  });
  return closed;
}

Result<void> StorageDaemon::close_all() {
  exports_.remove_all();
  Result<void> closed = graph_.close_all();
  // Closed last, because clients take the end of their connection as the end of the program.
  server_->close();
  server_.reset();
  idle_sockets_.clear();
  pid_file_.reset();
  return closed;
}

void StorageDaemon::handle_signals() {
  block::treat_as_termination(SIGQUIT); // GLib has no source for SIGQUIT
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (number == SIGHUP && block::hangup_was_ignored()) {
      std::signal(SIGHUP,
                  SIG_IGN); // the program that this one runs in may have installed a handler
      continue;
    }
    GSource* source = g_unix_signal_source_new(number);
    g_source_set_callback(
        source,
        [](gpointer daemon) -> gboolean {
          static_cast<StorageDaemon*>(daemon)->quit(qapi::ShutdownCause::host_signal);
          return G_SOURCE_CONTINUE;
        },
        this, nullptr);
    g_source_attach(source, thread_.context());
    g_source_unref(source);
  }
}

void StorageDaemon::quit(qapi::ShutdownCause cause) {
  announce_end(cause);
  request_quit_();
}

void StorageDaemon::announce_end(qapi::ShutdownCause cause) {
  if (std::exchange(end_announced_, true) || !server_) return;
  server_->broadcast(qapi::event_of(qapi::ShutdownEvent{.guest = false, .reason = cause}));
}

void StorageDaemon::handle_event(const block::Job& job, block::JobStatus status) {
  thread_.post(
      [this, data = qapi::JobStatusChangeEvent{.id = job.id(), .status = job_status(status)}] {
        if (server_) server_->broadcast(qapi::event_of(data));
      });
}

void StorageDaemon::handle_event(const block::Node& node, block::NodeEvent event,
                                 const std::string& message) {
  switch (event) {
  case block::NodeEvent::closed:
    thread_.post([this, name = node.name()] {
      if (server_) dedup_watch_.look_at(name, {});
    });
    break;
  case block::NodeEvent::dedup_changed:
    // Examined later on the monitor thread, because the driver may hold its locks now.
    thread_.post([this, name = node.name()] { look_at_dedup(name); });
    break;
  case block::NodeEvent::warning:
    g_warning("node '%s': %s: %s", node.name().c_str(), node.filename().c_str(), message.c_str());
    break;
  case block::NodeEvent::image_corrupted:
    g_warning("node '%s': the image is corrupt: %s", node.name().c_str(), message.c_str());
    thread_.post([this, data = qapi::BlockImageCorruptedEvent{.device = node.name(),
                                                              .node_name = node.name(),
                                                              .msg = message,
                                                              .fatal = !node.read_only()}] {
      if (server_) server_->broadcast(qapi::event_of(data));
    });
    break;
  }
}

void StorageDaemon::look_at_dedup(const std::string& node_name) {
  if (!server_) return; // everything is already closed
  std::shared_ptr<block::Node> node = graph_.find(node_name);
  std::optional<block::DedupStatus> now;
  if (node)
    if (auto facts = node->query_dedup()) now = facts->status;
  dedup_watch_.look_at(node_name, now);
}

void StorageDaemon::export_deleted(const std::string& id) {
  server_->broadcast(qapi::event_of(qapi::BlockExportDeletedEvent{.id = id}));
}

Result<void> check_nodes(const Configuration& configuration) {
  BLOCK_TRY(load_modules(configuration));
  block::Graph graph;
  for (const auto& blockdev : configuration.blockdevs()) {
    block::Options options = blockdev.value;
    options.set("read-only", "on");
    options.set("force-share", "on");
    auto opened = graph.open(std::move(options), {.read_only = true, .force_share = true});
    if (!opened) return std::move(opened).error().context(blockdev.text);
  }
  return graph.close_all();
}

} // namespace monitor
