// QmpClient: reads, runs requests in turns, writes.
#include "monitor/qmp-client.h"

namespace monitor {
namespace {

constexpr std::size_t receive_bytes = 64 * 1024;
// No further request is run while more bytes than this wait to be sent.
constexpr std::size_t pause_output_bytes = 1024 * 1024;
// The connection ends above this. Requests are not run above pause_output_bytes, and the largest
// reply repeats the largest id, each byte of which becomes six bytes at most. So the rest are
// events that the client does not read.
constexpr std::size_t drop_output_bytes = 16 * 1024 * 1024;
// After this number of requests, other clients have their turn.
constexpr int requests_per_turn = 16;

bool would_block(GError* raw) {
  const ErrorHandle error(raw);
  return g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

} // namespace

QmpClient::QmpClient(GMainContext* context, ObjectHandle<GSocket> socket,
                     qapi::Dispatcher& dispatcher, const qapi::VersionInfo& version,
                     std::function<void(QmpClient*)> gone)
    : context_(context),
      socket_(std::move(socket)),
      session_(dispatcher),
      gone_(std::move(gone)),
      output_(greeting_line(version)) {
  g_socket_set_blocking(socket_.get(), FALSE);
  arm();
}

bool QmpClient::send_event(std::string_view line) {
  if (!session_.negotiated()) return true;
  output_ += line;
  arm();
  return queued() <= drop_output_bytes;
}

void QmpClient::flush_until(gint64 deadline) {
  while (send() && queued() > 0) {
    const gint64 left = deadline - g_get_monotonic_time();
    if (left <= 0 ||
        !g_socket_condition_timed_wait(socket_.get(), G_IO_OUT, left, nullptr, nullptr))
      return;
  }
}

gboolean QmpClient::on_socket(GSocket*, GIOCondition, gpointer client) {
  static_cast<QmpClient*>(client)->work();
  return G_SOURCE_CONTINUE; // arm() replaces the source when it waits for another condition
}

gboolean QmpClient::on_turn(gpointer client) {
  static_cast<QmpClient*>(client)->work();
  return G_SOURCE_CONTINUE;
}

void QmpClient::work() {
  bool alive = receive();
  if (alive) {
    run_requests();
    alive = send();
  }
  const bool finished = end_of_input_ && input_.empty() && queued() == 0;
  if (alive && !finished) {
    arm();
    return;
  }
  const auto gone = std::move(gone_); // the call destroys this object
  gone(this);
}

// Returns false if the connection is broken.
bool QmpClient::receive() {
  if (end_of_input_ || !input_.empty() || queued() > pause_output_bytes) return true;
  input_.resize(receive_bytes);
  GError* error = nullptr;
  const gssize received =
      g_socket_receive(socket_.get(), input_.data(), input_.size(), nullptr, &error);
  input_.resize(received > 0 ? static_cast<std::size_t>(received) : 0);
  if (received < 0) return would_block(error);
  end_of_input_ = received == 0;
  return true;
}

void QmpClient::run_requests() {
  std::string_view left = input_;
  for (int i = 0; i < requests_per_turn && !left.empty() && queued() <= pause_output_bytes; ++i)
    if (const auto reply = session_.handle(left)) output_ += *reply;
  input_.erase(0, input_.size() - left.size());
}

// Returns false if the connection is broken.
bool QmpClient::send() {
  while (queued() > 0) {
    GError* error = nullptr;
    const gssize sent =
        g_socket_send(socket_.get(), output_.data() + sent_, queued(), nullptr, &error);
    if (sent < 0) {
      // The sent part is erased only when it is larger than the rest, because erasing moves the
      // rest. It must be erased at some time, or a client that never reads everything would make
      // the buffer grow.
      if (sent_ > queued()) {
        output_.erase(0, sent_);
        sent_ = 0;
      }
      return would_block(error);
    }
    sent_ += static_cast<std::size_t>(sent);
  }
  output_.clear();
  sent_ = 0;
  return true;
}

// Attaches the sources for what can happen next.
void QmpClient::arm() {
  const bool may_run = queued() <= pause_output_bytes;
  int wanted = 0;
  if (may_run && input_.empty() && !end_of_input_) wanted |= G_IO_IN;
  if (queued() > 0) wanted |= G_IO_OUT;
  const auto condition = static_cast<GIOCondition>(wanted);
  if (condition != armed_) {
    armed_ = condition;
    socket_source_.reset();
  }
  if (!socket_source_ && wanted != 0) {
    socket_source_.reset(g_socket_create_source(socket_.get(), condition, nullptr));
    g_source_set_callback(socket_source_.get(), G_SOURCE_FUNC(on_socket), this, nullptr);
    g_source_attach(socket_source_.get(), context_);
  }

  const bool wants_turn = may_run && !input_.empty();
  if (!wants_turn) {
    turn_source_.reset();
  } else if (!turn_source_) {
    turn_source_.reset(g_idle_source_new());
    // The same priority as input, so that a client with many requests is not starved by the others.
    g_source_set_priority(turn_source_.get(), G_PRIORITY_DEFAULT);
    g_source_set_callback(turn_source_.get(), on_turn, this, nullptr);
    g_source_attach(turn_source_.get(), context_);
  }
}

} // namespace monitor
