// Graph: the nodes of one program, by name, and the drivers that make them.
#ifndef BLOCK_GRAPH_H
#define BLOCK_GRAPH_H

#include "block/node.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace block {

class JobList;

// The registry of drivers: modules found by name in the module directory, or loaded by path. It is
// process-wide, because a loaded module stays loaded. All functions may be called on any thread.
class DriverRegistry {
public:
  static DriverRegistry& instance();

  // Returns the driver of that format name; loads block-<name>.so from the module directory if it
  // is not loaded yet. Names with characters other than letters, digits, '-' and '_' are never
  // searched for. Errors: not_found, or those of load_module().
  Result<const BlockDriver*> find(const std::string& format_name);
  // Loads one module file (`--module PATH`). Errors: not_found, invalid_argument (not a module),
  // unsupported (built with another stamp; the message shows both).
  Result<void> load_module(const std::string& path);
  // Loads every block-*.so of the module directory, for lists and for probing. Returns all drivers
  // by name.
  Result<std::vector<const BlockDriver*>> load_all();
  // Returns the driver of a file's format by its first bytes: the driver with the highest probe
  // score, or "raw".
  Result<const BlockDriver*> probe(std::span<const std::byte> head);
  // Adds a driver that is part of the program (tests). The table must live as long as the process.
  void add(const BlockDriver& driver);

  // The module directory: the directory of the block library itself, both in the build tree and
  // installed. So programs and plugins find the modules without any environment variable.
  static std::string module_directory();

private:
  class Drivers;

  DriverRegistry();
  ~DriverRegistry();

  const std::unique_ptr<Drivers> drivers_;
};

// Generic node options. The graph takes them before the driver receives the rest:
//   driver          format name; absent: probed from child "file" (never a protocol)
//   node-name       1 to 31 characters: a letter, then letters, digits, '-', '.', '_'; absent:
//                   generated, begins with '#'
//   read-only       on|off, default: the caller's OpenDefaults; children follow their parent
//   auto-read-only  on|off: read-only if the file cannot be written; children follow their parent
//   force-share     on|off, only with read-only=on; children follow their parent
//   cache.direct, cache.no-flush
//                   on|off, default: the caller's OpenDefaults; children follow their parent
//   discard         unmap|ignore, default: unmap
//   detect-zeroes   off|on|unmap
//   backing         absent: the image's backing file; "": none (null in JSON); a node name;
//                   backing.*: a definition, or changes to the image's backing file if it names no
//                   file
class Graph {
public:
  // `jobs`: where the nodes list their jobs; null = nowhere. Must outlive the graph.
  explicit Graph(JobList* jobs = nullptr);
  ~Graph(); // closes all open nodes; errors are logged
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  struct OpenDefaults {
    bool read_only = false;
    bool auto_read_only = false;
    bool force_share = false;
    bool no_backing = false; // do not open backing files (info, check)
    bool for_check = false;  // for the top node only, not its children: see Node::for_check()
    bool cache_direct = false;
    bool cache_no_flush = false;
  };
  // Opens a node with its children. Errors: those of options, modules, locks and drivers; after an
  // error nothing stays open.
  Result<std::shared_ptr<Node>> open(Options options, OpenDefaults defaults);
  // Closes a node that has no user, then the children that were defined within it, except those
  // that have another user by now. Errors: not_found, busy, or the reason why data is not durable.
  Result<void> close(const std::string& node_name);
  // Closes all nodes, each one before the nodes that it uses, even if others are attached. No
  // request may be in flight; later requests fail. Closes everything even after an error, and
  // returns the first.
  Result<void> close_all();

  // The sink receives the events of all nodes. Set it before the first open. It is called on any
  // thread. It must return at once and call no function of the node, because the driver may hold
  // its locks.
  using EventSink = std::function<void(const Node&, NodeEvent, const std::string& message)>;
  void set_event_sink(EventSink sink) { event_sink_ = std::move(sink); }
  // Sets the sink of every graph that is constructed afterwards, for programs with several graphs.
  // Call it while the process has one thread.
  static void set_default_event_sink(EventSink sink);

  std::shared_ptr<Node> find(const std::string& node_name) const; // null if there is none
  std::vector<std::shared_ptr<Node>> nodes() const;               // in the order of opening

private:
  friend class Node;
  class NodeList;

  Result<std::shared_ptr<Node>> open_node(Options options, const OpenDefaults& defaults,
                                          const Node::Opening* parent);
  Result<void> close_node(const std::shared_ptr<Node>& node);
  Result<void> close_children(Node::Inner& node);

  static const EventSink& default_event_sink();

  JobList* const jobs_;
  EventSink event_sink_ = default_event_sink(); // constant once a node is open
  const std::unique_ptr<NodeList> list_;
};

// Returns the options that open an image by the file name that a user gives: "file.filename" for a
// format, probing if `format` is empty; a protocol prefix ("blkdebug:...") becomes "file.driver".
// Does not handle "json:{...}" names: the tools turn them into options before.
Options options_for_filename(const std::string& filename, const std::string& format);

// Returns the protocol prefix of a file name: the text before a colon that no slash precedes. Empty
// for a plain name and for "file:...".
std::string protocol_of(const std::string& filename);

// Returns the file name without "PROTOCOL:" in front, if it has that prefix.
std::string without_protocol(const std::string& filename, const std::string& protocol);

// Returns the path of the backing file that the image `overlay` names: `backing` itself if it is
// absolute, otherwise relative to the directory of the overlay. Used for display and for opening.
// Errors: invalid_argument (empty, or a protocol or json: name, which an image may not request).
Result<std::string> resolve_backing_filename(const std::string& overlay,
                                             const std::string& backing);

// The creation of an image in steps. Between the steps a program can arrange that a new file is
// removed if the program is terminated.
class ImageCreation {
public:
  // Checks all options, then creates the file, or empties the existing one. `options` as from
  // create -o, with "size". Errors: not_found (no such format), unsupported (the format cannot
  // create), busy (another process uses the file), those of the drivers.
  static Result<ImageCreation> begin(const std::string& format, const std::string& filename,
                                     Options options);
  ImageCreation(ImageCreation&& other) noexcept;
  ImageCreation& operator=(ImageCreation&&) = delete;
  // Removes the new file unless keep() was called.
  ~ImageCreation();

  // The path of the file if begin() created it. Empty: the file or device existed before.
  const std::string& new_file() const { return new_file_; }
  // The format driver writes the empty image, which is durable at return.
  Result<void> write();
  // Keeps the new file.
  void keep() { new_file_.clear(); }

private:
  ImageCreation() = default;

  const BlockDriver* format_ = nullptr;
  Options file_options_; // options that open the file
  Options options_;
  std::string new_file_;
};

// Does all steps. A file that did not exist before is removed if one of them fails.
Result<void> create_image(const std::string& format, const std::string& filename, Options options);

} // namespace block

#endif
