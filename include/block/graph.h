// Graph: the nodes of one program, by name, and the drivers that make them.
#ifndef BLOCK_GRAPH_H
#define BLOCK_GRAPH_H

#include "block/node.h"

#include <map>

namespace block {

// Where drivers come from: modules found by name in the module directory, or loaded by path.
// Process-wide, because a loaded module stays loaded. All functions may be called on any thread.
class DriverRegistry {
public:
  static DriverRegistry& instance();

  // The driver of that format name; loads block-<name>.so from the module directory if it is not
  // there yet. Names with characters other than letters, digits, '-' and '_' are never looked for.
  // Errors: not_found, or what load_module says.
  Result<const BlockDriver*> find(const std::string& format_name);
  // Loads one module file (`--module PATH`). Errors: not_found, invalid_argument (no module),
  // unsupported (built from another stamp; the message shows both).
  Result<void> load_module(const std::string& path);
  // Loads every block-*.so of the module directory, for lists and for probing, and returns all
  // drivers by name.
  Result<std::vector<const BlockDriver*>> load_all();
  // The format of a file by its first bytes: the surest driver, or "raw".
  Result<const BlockDriver*> probe(std::span<const std::byte> head);
  // A driver that is part of the program (tests). The table must live as long as the process.
  void add(const BlockDriver& driver);

  // Where modules are: the directory of the block library itself, in the build tree and installed
  // alike, so that programs and plugins find them with no environment set.
  static std::string module_directory();

private:
  Result<void> load_locked(const std::string& path);

  std::mutex mutex_;
  std::map<std::string, const BlockDriver*> drivers_; // guarded by mutex_
};

// Generic node options, taken by the graph before the driver sees the rest:
//   driver         format name; absent: probed from child "file" (then only a format is probed,
//   never a protocol) node-name      1 to 31 characters: a letter, then letters, digits, '-', '.',
//   '_'; absent: made up, begins with '#' read-only      on|off, default: what the caller says
//   detect-zeroes  off|on|unmap
//   force-share    on|off, only with read-only=on
//   backing        absent: what the image says; "" or null: none; a node name; backing.*: a
//   definition
class Graph {
public:
  Graph() = default;
  ~Graph(); // closes what is open; errors are logged
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  struct OpenDefaults {
    bool read_only = false;
    bool force_share = false;
    bool no_backing = false; // do not open backing files (info, check)
  };
  // Opens a node with its children. Errors: those of options, modules, locks and drivers; nothing
  // stays open then.
  Result<std::shared_ptr<Node>> open(Options options, OpenDefaults defaults);
  // Closes a node nobody uses, then the children that were opened with it. Errors: busy, or what
  // made data not durable.
  Result<void> close(const std::string& node_name);
  // Closes all, users before what they use. Returns the first error; closes everything all the
  // same.
  Result<void> close_all();

  // Who hears of the events of all nodes. Set it before the first open. The sink is called on any
  // thread, returns at once and calls nothing of the node, because the driver may hold its locks.
  void set_event_sink(std::function<void(const Node&, NodeEvent)> sink) {
    event_sink_ = std::move(sink);
  }

  std::shared_ptr<Node> find(const std::string& node_name) const; // null if there is none
  std::vector<std::shared_ptr<Node>> nodes() const;               // in the order of their opening

private:
  friend class Node;
  Result<std::shared_ptr<Node>> open_locked(Options options, OpenDefaults defaults, unsigned depth);
  Result<void> close_node(const std::shared_ptr<Node>& node);

  std::function<void(const Node&, NodeEvent)> event_sink_; // constant once a node is open
  mutable std::recursive_mutex mutex_;
  std::vector<std::shared_ptr<Node>> nodes_; // guarded by mutex_
  std::uint64_t next_name_ = 1;              // guarded by mutex_
};

// Options that open an image by file name as the tools do: "file.filename" for a format, probing
// when `format` is empty. A "json:{...}" name is not handled here: tools turn it into options
// before.
Options options_for_filename(const std::string& filename, const std::string& format);

// Makes an image: creates the file, then lets the format driver write into it. `options` as from
// create -o, with "size".
Result<void> create_image(const std::string& format, const std::string& filename, Options options);

} // namespace block

#endif
