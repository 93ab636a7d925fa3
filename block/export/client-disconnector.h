// ClientDisconnector: ends the connections of clients when nbdkit is asked to end.
//
// nbdkit finishes when its last client has gone, however long an idle guest keeps its connection,
// and it tells plugins neither the sockets nor the end. So the sockets are found by what can be
// seen from within the process: those that were accepted at an address it listens on. Once nbdkit
// is told to end, it answers what it has read with an error, which a guest takes for one of its
// disk. So it is told when the connections have ended.
#ifndef BLOCK_EXPORT_CLIENT_DISCONNECTOR_H
#define BLOCK_EXPORT_CLIENT_DISCONNECTOR_H

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
  // Remembers the addresses of the sockets that listen now: made before anything but nbdkit does.
  // Takes what begin() will need, a thread and a descriptor, so that the end cannot fail for want
  // of them. `unused` tells whether no client is connected, and `end` ends the server; both are
  // called on that thread. Throws std::system_error if there is no thread to be had now.
  ClientDisconnector(std::function<bool()> unused, std::function<void()> end);
  ~ClientDisconnector(); // stops
  ClientDisconnector(const ClientDisconnector&) = delete;
  ClientDisconnector& operator=(const ClientDisconnector&) = delete;

  // From now on, connections end: what a client sent before is served, what it sends later is not
  // read. A client that does not take its answers for two seconds is cut off. Then the server ends.
  // Returns at once; any thread; may be repeated.
  void begin();
  // Whether that has begun, so that no client is to be let in any more.
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
  std::thread thread_;              // the last member: it uses the others
};

} // namespace exports

#endif
