// EndingSignal: lets a command finish in order when the user ends it.
#ifndef BLOCK_TOOLS_COMMON_ENDING_SIGNAL_H
#define BLOCK_TOOLS_COMMON_ENDING_SIGNAL_H

#include <span>

namespace tools {

// Installs the handler for those of the signals that have their default action. A signal that the
// caller of the program ignores (nohup) stays ignored. The handler is called once for each signal;
// after that the signal has its default action again.
void handle_ending_signals(std::span<const int> signals, void (*handler)(int number));

// While an object lives, the first SIGINT, SIGTERM or SIGHUP does not end the program but is
// remembered; a second one ends it. At most one object; construct it on the main thread.
class EndingSignal {
public:
  EndingSignal();
  // If a signal came, ends the program with that signal, as its default action does.
  ~EndingSignal();
  EndingSignal(const EndingSignal&) = delete;
  EndingSignal& operator=(const EndingSignal&) = delete;

  // Returns whether a signal came. Any thread.
  bool came() const;
};

} // namespace tools

#endif
