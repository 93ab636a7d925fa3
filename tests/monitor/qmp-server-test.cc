// QmpServer: real sockets, several clients, slow ones and dead ones.
#include "monitor/qmp-server.h"

#include "test-dispatcher.h"

#include <arpa/inet.h>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
constexpr auto patience = 10s; // for what should happen at once

// A client that waits no longer than `patience` for anything.
class Client {
public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { disconnect(); }

  bool connected() const { return connected_; }
  void disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void finish_sending() { shutdown(fd_, SHUT_WR); }

  // Bytes the server's side took; fewer than given if it takes no more for `wait`.
  std::size_t send(std::string_view bytes, std::chrono::milliseconds wait = patience) {
    std::size_t sent = 0;
    while (sent < bytes.size() && ready(POLLOUT, wait)) {
      const ssize_t count =
          ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) break;
      sent += static_cast<std::size_t>(count);
    }
    return sent;
  }

  // The next line without its CRLF; "" at the end of the connection or when none comes.
  std::string line() {
    std::size_t end;
    while ((end = received_.find("\r\n")) == std::string::npos) {
      char buffer[65536];
      if (!ready(POLLIN, patience)) return "";
      const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
      if (count <= 0) return "";
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    std::string result = received_.substr(0, end);
    received_.erase(0, end + 2);
    return result;
  }

  std::string ask(std::string_view request) {
    send(request);
    return line();
  }

  void negotiate() {
    EXPECT_EQ(line().rfind("{\"QMP\": ", 0), 0u);
    EXPECT_EQ(ask("{'execute': 'qmp_capabilities'}"), "{\"return\": {}}");
  }

  // The server has ended the connection; what it sent before is thrown away.
  bool ended() {
    char buffer[65536];
    while (ready(POLLIN, patience))
      if (recv(fd_, buffer, sizeof buffer, 0) <= 0) return true;
    return false;
  }

private:
  bool ready(short events, std::chrono::milliseconds wait) {
    pollfd entry{fd_, events, 0};
    return poll(&entry, 1, static_cast<int>(wait.count())) == 1;
  }

  int fd_;
  bool connected_ = false;
  std::string received_;
};

class QmpServer : public testing::Test {
protected:
  void SetUp() override {
    directory =
        std::filesystem::temp_directory_path() / ("qmp-server-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    path = directory / "qmp.sock";
  }

  void TearDown() override {
    stop();
    server.reset();
    g_main_context_unref(context);
    std::filesystem::remove_all(directory);
  }

  block::Result<std::uint16_t> listen(const std::string& options) {
    const auto chardev = block::Options::parse(options);
    qapi::ChardevSocketOptions socket;
    socket.id = "c";
    auto values = *chardev;
    socket.path = values.take("path");
    socket.host = values.take("host");
    socket.port = values.take("port");
    if (const auto value = values.take("server")) socket.server = *value == "on";
    if (const auto value = values.take("wait")) socket.wait = *value == "on";
    return server->listen(socket);
  }

  // Listens on `path` and serves it on a thread of its own.
  void serve() {
    ASSERT_TRUE(listen("server=on,wait=off,path=" + path));
    run();
  }
  void run() {
    thread = std::thread([this] {
      g_main_context_push_thread_default(context);
      // A loop that has not begun to run would not notice g_main_loop_quit().
      GSource* source = g_idle_source_new();
      g_source_set_callback(
          source,
          [](gpointer data) { return static_cast<std::promise<void>*>(data)->set_value(), FALSE; },
          &begun, nullptr);
      g_source_attach(source, context);
      g_source_unref(source);
      g_main_loop_run(loop);
      g_main_context_pop_thread_default(context);
    });
  }
  void stop() {
    if (thread.joinable()) {
      begun.get_future().wait();
      g_main_loop_quit(loop);
      thread.join();
    }
    if (loop) g_main_loop_unref(loop);
    loop = nullptr;
  }

  std::filesystem::path directory;
  std::string path;
  test::TestDispatcher dispatcher;
  GMainContext* context = g_main_context_new();
  GMainLoop* loop = g_main_loop_new(context, FALSE);
  std::unique_ptr<monitor::QmpServer> server =
      std::make_unique<monitor::QmpServer>(context, dispatcher, qapi::VersionInfo{{1, 2, 3}, "p"});
  std::promise<void> begun;
  std::thread thread;
};

TEST_F(QmpServer, makes_the_socket_for_its_owner_alone_whatever_the_umask_is) {
  const mode_t before = umask(0);
  serve();
  umask(before);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(QmpServer, removes_the_socket_when_it_closes) {
  serve();
  stop();
  server->close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(QmpServer, leaves_a_socket_alone_that_another_put_in_its_place) {
  serve();
  stop();
  std::filesystem::remove(path);
  std::ofstream(path) << "not ours";
  server->close();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(QmpServer, replaces_the_socket_of_a_dead_process_but_not_that_of_a_living_one) {
  serve();
  stop();
  monitor::QmpServer other(context, dispatcher, {});
  qapi::ChardevSocketOptions socket;
  socket.id = "other";
  socket.path = path;
  socket.server = true;
  const auto refused = other.listen(socket);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), block::ErrorKind::busy) << refused.error().message();

  // What a killed process leaves behind: the file without a listener.
  const std::string kept = path + ".kept";
  std::filesystem::rename(path, kept);
  server->close();
  std::filesystem::rename(kept, path);
  const auto replaced = other.listen(socket);
  EXPECT_TRUE(replaced) << replaced.error().message();
}

TEST_F(QmpServer, does_not_replace_a_file_that_is_no_socket) {
  std::ofstream(path) << "precious";
  EXPECT_FALSE(listen("server=on,path=" + path));
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST_F(QmpServer, refuses_options_it_cannot_follow) {
  const auto error = [&](const std::string& options) {
    const auto result = listen(options);
    return result ? "no error" : result.error().message();
  };
  EXPECT_EQ(error("path=" + path), "chardev 'c': server=on is needed");
  EXPECT_EQ(error("server=on,wait=on,path=" + path), "chardev 'c': wait=on is not supported");
  EXPECT_EQ(error("server=on"), "chardev 'c': either a path or a host is needed");
  EXPECT_EQ(error("server=on,host=h,port=1,path=" + path),
            "chardev 'c': either a path or a host is needed");
  EXPECT_EQ(error("server=on,host=localhost"), "chardev 'c': a port is needed");
  EXPECT_EQ(error("server=on,host=localhost,port=70000"),
            "chardev 'c': '70000' is not a port number");
  EXPECT_EQ(error("server=on,path=/" + std::string(200, 'x')),
            "chardev 'c': the path of a socket has 1 to 107 bytes");
}

TEST_F(QmpServer, serves_tcp) {
  const auto port = listen("server=on,wait=off,host=127.0.0.1,port=0");
  ASSERT_TRUE(port) << port.error().message();
  run();
  Client client(*port);
  client.negotiate();
  EXPECT_EQ(client.ask("{'execute': 'echo', 'id': 1}"), R"({"return": {}, "id": 1})");
}

TEST_F(QmpServer, negotiates_with_each_client_by_itself) {
  serve();
  Client first(path), second(path);
  first.negotiate();
  EXPECT_EQ(second.line().rfind("{\"QMP\": ", 0), 0u);
  EXPECT_NE(second.ask("{'execute': 'echo'}").find("Expecting capabilities"), std::string::npos);
  EXPECT_EQ(first.ask("{'execute': 'echo'}"), R"({"return": {}})");
}

TEST_F(QmpServer, answers_many_requests_that_come_at_once_in_their_order) {
  serve();
  Client client(path);
  client.negotiate();
  std::string requests;
  for (int i = 0; i < 5000; ++i)
    requests += "{'execute':'echo','id':" + std::to_string(i) + "}";
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(client.line(), R"({"return": {}, "id": )" + std::to_string(i) + "}");
  sender.join();
}

TEST_F(QmpServer, answers_what_came_before_a_client_ended_its_side) {
  serve();
  Client client(path);
  client.negotiate();
  client.send("{'execute': 'echo', 'id': 1}{'execute': 'large'}");
  client.finish_sending();
  EXPECT_EQ(client.line(), R"({"return": {}, "id": 1})");
  EXPECT_EQ(client.line().size(), 1000014u);
  EXPECT_TRUE(client.ended());
}

TEST_F(QmpServer, sends_events_from_any_thread_to_the_clients_that_have_negotiated) {
  serve();
  Client first(path), second(path), third(path);
  first.negotiate();
  second.negotiate();
  third.line(); // the greeting
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j)
        server->broadcast({"HAPPENED", "{\"x\": 1}"});
    });
  for (std::thread& sender : threads)
    sender.join();
  for (Client* client : {&first, &second})
    for (int i = 0; i < 400; ++i) {
      const std::string line = client->line();
      ASSERT_EQ(line.rfind("{\"timestamp\": {\"seconds\": ", 0), 0u) << line;
      ASSERT_NE(line.find("}, \"event\": \"HAPPENED\", \"data\": {\"x\": 1}}"), std::string::npos);
    }
  EXPECT_NE(third.ask("{'execute': 'echo'}").find("Expecting capabilities"), std::string::npos);
}

TEST_F(QmpServer, does_not_run_requests_of_a_client_that_takes_no_replies) {
  serve();
  Client greedy(path), other(path);
  greedy.negotiate();
  other.negotiate();
  std::string requests;
  for (int i = 0; i < 20000; ++i)
    requests += "{'execute':'large'}";
  // The server reads no further once replies pile up, so not all requests can be sent.
  EXPECT_LT(greedy.send(requests, 300ms), requests.size());
  EXPECT_EQ(other.ask("{'execute': 'echo'}"), R"({"return": {}})");
  EXPECT_LT(dispatcher.runs, 10);
  // It goes on when the client does.
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(greedy.line().size(), 1000014u);
}

TEST_F(QmpServer, drops_a_client_that_does_not_read_its_events) {
  serve();
  Client sleeper(path), reader(path);
  sleeper.negotiate();
  reader.negotiate();
  const qapi::Event large{"LARGE", '"' + std::string(1024 * 1024, 'x') + '"'};
  for (int i = 0; i < 40; ++i) {
    server->broadcast(large);
    ASSERT_NE(reader.line().find("LARGE"), std::string::npos);
  }
  EXPECT_TRUE(sleeper.ended());
  EXPECT_EQ(reader.ask("{'execute': 'echo'}"), R"({"return": {}})");
}

TEST_F(QmpServer, survives_clients_that_die_with_replies_on_their_way) {
  serve();
  Client other(path);
  other.negotiate();
  for (int i = 0; i < 50; ++i) {
    Client client(path);
    client.send("{'execute':'qmp_capabilities'}");
    for (int j = 0; j < 30; ++j)
      client.send("{'execute':'large'}");
    server->broadcast({"HAPPENED", "{}"});
    client.disconnect();
  }
  for (int i = 0; i < 50; ++i)
    EXPECT_NE(other.line().find("HAPPENED"), std::string::npos);
  EXPECT_EQ(other.ask("{'execute': 'echo'}"), R"({"return": {}})");
}

TEST_F(QmpServer, makes_more_clients_than_it_serves_wait_until_one_leaves) {
  serve();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(std::make_unique<Client>(path));
    clients.back()->negotiate();
  }
  Client late(path);
  late.send("{'execute': 'qmp_capabilities'}");
  EXPECT_EQ(clients[0]->ask("{'execute': 'echo'}"), R"({"return": {}})");
  clients[7]->disconnect();
  EXPECT_EQ(late.line().rfind("{\"QMP\": ", 0), 0u);
}

TEST_F(QmpServer, sends_what_is_queued_before_it_closes) {
  serve();
  Client client(path);
  client.negotiate();
  stop();
  server->broadcast({"SHUTDOWN", "{}"});
  server->close();
  EXPECT_NE(client.line().find("SHUTDOWN"), std::string::npos);
  EXPECT_TRUE(client.ended());
}

TEST_F(QmpServer, does_not_wait_long_for_a_client_that_does_not_read_when_it_closes) {
  serve();
  Client client(path);
  client.negotiate();
  const auto begin = std::chrono::steady_clock::now();
  stop();
  server->broadcast({"LARGE", '"' + std::string(4 * 1024 * 1024, 'x') + '"'});
  server->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

} // namespace
