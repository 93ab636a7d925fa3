// The requests of the aio commands, which run while further commands are read.
#ifndef BLOCK_TOOLS_IO_AIO_QUEUE_H
#define BLOCK_TOOLS_IO_AIO_QUEUE_H

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tools::io {

// Starts requests in the order of submission, each on its own thread until the maximum is reached.
// Their reports are printed only by the thread that calls print_finished() or drain(), so they
// never interrupt another command's output.
class AioQueue {
public:
  // Runs on another thread and returns the text to print.
  using Request = std::function<std::string()>;

  AioQueue() = default;
  ~AioQueue();
  AioQueue(const AioQueue&) = delete;
  AioQueue& operator=(const AioQueue&) = delete;

  void submit(Request request);
  // Prints the reports of the finished requests, in the order in which they finished.
  void print_finished();
  // Waits for all requests and prints their reports.
  void drain();

private:
  bool start_thread();
  void work();
  void print_locked();

  std::mutex mutex_;
  std::condition_variable submitted_;
  std::condition_variable finished_changed_;
  // Guarded by mutex_:
  std::deque<Request> waiting_;
  std::deque<std::string> finished_;
  std::size_t unfinished_ = 0; // submitted, and not in finished_ yet
  std::size_t idle_threads_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

} // namespace tools::io

#endif
