// ClientDisconnector: finds and ends the sockets of clients.
#include "block/export/nbd/nbdkit/client-disconnector.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace exports {
namespace {

using namespace std::chrono_literals;

// A connection accepted at the last moment is found after this time at the latest.
constexpr auto round_time = 50ms;
constexpr auto short_round_time = 5ms; // while the end waits for clients
constexpr auto patience = 2s;          // for clients that do not receive their answers

// Returns the local address of a socket in a form that is the same for the listening socket and for
// the sockets that it accepts. For TCP it is only the port, because the host of a listening socket
// may be "any".
std::optional<std::string> address_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    return std::nullopt;
  switch (storage.ss_family) {
  case AF_UNIX:
    if (length <= offsetof(sockaddr_un, sun_path)) return std::nullopt; // the socket has no name
    return "unix " + std::string(reinterpret_cast<const sockaddr_un&>(storage).sun_path,
                                 length - offsetof(sockaddr_un, sun_path));
  case AF_INET:
    return "tcp " + std::to_string(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  case AF_INET6:
    return "tcp " + std::to_string(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  default:
    return std::nullopt;
  }
}

bool listens(int descriptor) {
  int answer = 0;
  socklen_t length = sizeof(answer);
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &answer, &length) == 0 && answer != 0;
}

} // namespace

ClientDisconnector::ClientDisconnector(std::function<bool()> unused, std::function<void()> end)
    : descriptor_directory_(opendir("/proc/self/fd"), closedir),
      unused_(std::move(unused)),
      end_(std::move(end)) {
  for (int descriptor : descriptors())
    if (listens(descriptor))
      if (auto address = address_of(descriptor)) addresses_.push_back(*address);
  thread_ = std::thread([this] { run(); });
}

ClientDisconnector::~ClientDisconnector() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void ClientDisconnector::begin() {
  std::lock_guard lock(mutex_);
  begun_ = true;
  changed_.notify_all();
}

bool ClientDisconnector::begun() {
  std::lock_guard lock(mutex_);
  return begun_;
}

void ClientDisconnector::run() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return begun_ || stopping_; });
  const auto start = std::chrono::steady_clock::now();
  bool ended = false;
  while (!stopping_) {
    bool patient = std::chrono::steady_clock::now() - start < patience;
    shut_down_all(patient ? SHUT_RD : SHUT_RDWR);
    if (!ended && (!patient || unused_())) {
      end_();
      ended = true;
    }
    changed_.wait_for(lock, ended ? round_time : short_round_time);
  }
}

std::vector<int> ClientDisconnector::descriptors() const {
  std::vector<int> list;
  if (!descriptor_directory_) return list;
  rewinddir(descriptor_directory_.get());
  while (const dirent* entry = readdir(descriptor_directory_.get())) {
    const std::string_view name = entry->d_name;
    int number = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec == std::errc())
      list.push_back(number);
  }
  return list;
}

void ClientDisconnector::shut_down_all(int how) const {
  for (int descriptor : descriptors()) {
    auto address = address_of(descriptor);
    if (address && !listens(descriptor) &&
        std::find(addresses_.begin(), addresses_.end(), *address) != addresses_.end())
      shutdown(descriptor, how);
  }
}

} // namespace exports
