// QmpServer: accepts clients and sends them events.
#include "monitor/qmp-server.h"

namespace monitor {
namespace {

// Further clients wait in the backlog of the listening socket until a client leaves.
constexpr std::size_t max_clients = 32;
// Number of events that may wait for the server's thread. Further ones are dropped, because the
// thread hangs.
constexpr std::size_t max_events = 4096;
constexpr gint64 close_microseconds = 1000000;

} // namespace

QmpServer::QmpServer(GMainContext* context, qapi::Dispatcher& dispatcher, qapi::VersionInfo version)
    : context_(g_main_context_ref(context)),
      dispatcher_(dispatcher),
      version_(std::move(version)) {}

QmpServer::~QmpServer() {
  close();
  g_main_context_unref(context_);
}

block::Result<std::uint16_t> QmpServer::listen(const qapi::ChardevSocketOptions& options) {
  BLOCK_TRY_ASSIGN(QmpListener listener, QmpListener::open(options));
  const std::uint16_t port = listener.port();
  listening_.push_back({std::move(listener), nullptr});
  arm_listeners();
  return port;
}

void QmpServer::arm_listeners() {
  for (Listening& entry : listening_) {
    if (clients_.size() >= max_clients) {
      entry.source.reset();
    } else if (!entry.source) {
      entry.source.reset(g_socket_create_source(entry.listener.socket(), G_IO_IN, nullptr));
      g_source_set_callback(entry.source.get(), G_SOURCE_FUNC(on_connection), this, nullptr);
      g_source_attach(entry.source.get(), context_);
    }
  }
}

gboolean QmpServer::on_connection(GSocket* socket, GIOCondition, gpointer server) {
  static_cast<QmpServer*>(server)->accept(socket);
  return G_SOURCE_CONTINUE;
}

void QmpServer::accept(GSocket* socket) {
  GError* raw = nullptr;
  ObjectHandle<GSocket> connection(g_socket_accept(socket, nullptr, &raw));
  if (!connection) {
    const ErrorHandle error(raw);
    if (g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) return;
    g_warning("monitor: a client could not connect: %s", error->message);
    pause_listening();
    return;
  }
  const auto gone = [this](QmpClient* client) {
    clients_.remove_if([&](const auto& entry) { return entry.get() == client; });
    arm_listeners();
  };
  clients_.push_back(
      std::make_unique<QmpClient>(context_, std::move(connection), dispatcher_, version_, gone));
  arm_listeners();
}

// The connection that could not be accepted is still in the backlog. Without a pause, accept()
// would be retried in a busy loop.
void QmpServer::pause_listening() {
  for (Listening& entry : listening_)
    entry.source.reset();
  const auto resume = [](gpointer server) -> gboolean {
    static_cast<QmpServer*>(server)->arm_listeners();
    return G_SOURCE_REMOVE;
  };
  pause_source_.reset(g_timeout_source_new_seconds(1));
  g_source_set_callback(pause_source_.get(), resume, this, nullptr);
  g_source_attach(pause_source_.get(), context_);
}

void QmpServer::broadcast(const qapi::Event& event) {
  std::string line = event_line(event, g_get_real_time());
  const std::lock_guard lock(events_mutex_);
  if (closed_ || events_.size() >= max_events) return;
  events_.push_back(std::move(line));
  if (events_source_) return;
  events_source_.reset(g_idle_source_new());
  g_source_set_priority(events_source_.get(), G_PRIORITY_DEFAULT);
  g_source_set_callback(events_source_.get(), on_events, this, nullptr);
  g_source_attach(events_source_.get(), context_);
}

gboolean QmpServer::on_events(gpointer server) {
  static_cast<QmpServer*>(server)->deliver_events();
  return G_SOURCE_REMOVE;
}

void QmpServer::deliver_events() {
  std::vector<std::string> lines;
  {
    const std::lock_guard lock(events_mutex_);
    lines.swap(events_);
    events_source_.reset();
  }
  for (const std::string& line : lines)
    clients_.remove_if([&](const auto& client) { return !client->send_event(line); });
  arm_listeners();
}

void QmpServer::close() {
  pause_source_.reset();
  listening_.clear();
  deliver_events();
  {
    const std::lock_guard lock(events_mutex_);
    closed_ = true;
    events_source_.reset();
  }
  const gint64 deadline = g_get_monotonic_time() + close_microseconds;
  for (const auto& client : clients_)
    client->flush_until(deadline);
  clients_.clear();
}

} // namespace monitor
