// ClientDisconnector: ends the connections of clients when nbdkit is asked to end.
//
// nbdkit finishes only when its last client has disconnected, however long an idle guest keeps its
// connection. It gives plugins neither the sockets nor a notice of the end. So this class finds the
// sockets from within the process: those that were accepted at an address on which nbdkit listens.
// Once nbdkit is asked to shut down, it answers requests that it has read with an error, which a
// guest treats as an error of its disk. So this class asks nbdkit to shut down only after the
// connections have ended.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_CLIENT_DISCONNECTOR_H
#define BLOCK_EXPORT_NBD_NBDKIT_CLIENT_DISCONNECTOR_H

#include <condition_variable>
#include <dirent.h>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace exports {

class ClientDisconnector {
public:
  // Records the addresses of the sockets that listen now. Construct it before anything but nbdkit
  // listens. Allocates what begin() will need, a thread and a descriptor, so that the end cannot
  // fail for lack of them. `unused` returns whether no client is connected, and `end` ends the
  // server; both are called on that thread. Throws std::system_error if no thread can be created
  // now.
  ClientDisconnector(std::function<bool()> unused, std::function<void()> end);
  ~ClientDisconnector(); // stops the thread
  ClientDisconnector(const ClientDisconnector&) = delete;
  ClientDisconnector& operator=(const ClientDisconnector&) = delete;

  // Starts ending the connections: requests that a client sent before are served, later ones are
  // not read. A client that does not receive its answers within two seconds is cut off. Then the
  // server ends. Returns at once; any thread; may be repeated.
  void begin();
  // Returns whether begin() was called, so that no new client may be accepted.
  bool begun();

private:
  std::vector<int> descriptors() const;
  void run();
  void shut_down_all(int how) const;

  const std::unique_ptr<DIR, int (*)(DIR*)> descriptor_directory_;
  const std::function<bool()> unused_;
  const std::function<void()> end_;
  std::vector<std::string> addresses_; // see address_of() in the source
  std::mutex mutex_;
  std::condition_variable changed_; // used with mutex_
  bool begun_ = false;              // guarded by mutex_
  bool stopping_ = false;           // guarded by mutex_
  std::thread thread_;              // last member: it uses the others
};

} // namespace exports

#endif
