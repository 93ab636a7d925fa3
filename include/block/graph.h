// Graph: the nodes of one program, by name, and the drivers that make them.
#ifndef BLOCK_GRAPH_H
#define BLOCK_GRAPH_H

#include "block/node.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

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
  class Drivers;

  DriverRegistry();
  ~DriverRegistry();

  const std::unique_ptr<Drivers> drivers_;
};

// Generic node options, taken by the graph before the driver sees the rest:
//   driver          format name; absent: probed from child "file" (never a protocol)
//   node-name       1 to 31 characters: a letter, then letters, digits, '-', '.', '_'; absent: made
//                   up, begins with '#'
//   read-only       on|off, default: what the caller says; children follow their parent
//   auto-read-only  on|off: read-only if it cannot be written; children follow their parent
//   force-share     on|off, only with read-only=on; children follow their parent
//   cache.direct, cache.no-flush
//                   on|off, default: what the caller says; children follow their parent
//   discard         unmap|ignore, default: unmap
//   detect-zeroes   off|on|unmap
//   backing         absent: what the image says; "": none (null in JSON); a node name; backing.*: a
//                   definition, or changes to what the image says if it names no file
class Graph {
public:
  Graph();
  ~Graph(); // closes what is open; errors are logged
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  struct OpenDefaults {
    bool read_only = false;
    bool auto_read_only = false;
    bool force_share = false;
    bool no_backing = false; // do not open backing files (info, check)
    bool for_check = false;  // the top node, not its children: see Node::for_check()
    bool cache_direct = false;
    bool cache_no_flush = false;
  };
  // Opens a node with its children. Errors: those of options, modules, locks and drivers; nothing
  // stays open then.
  Result<std::shared_ptr<Node>> open(Options options, OpenDefaults defaults);
  // Closes a node nobody uses, then the children that were defined within it, unless someone else
  // uses them by now. Errors: not_found, busy, or what made data not durable.
  Result<void> close(const std::string& node_name);
  // Closes all, users before what they use, whoever else is attached: no request may be in flight,
  // and later ones fail. Returns the first error; closes everything all the same.
  Result<void> close_all();

  // Who hears of the events of all nodes. Set it before the first open. The sink is called on any
  // thread, returns at once and calls nothing of the node, because the driver may hold its locks.
  using EventSink = std::function<void(const Node&, NodeEvent, const std::string& message)>;
  void set_event_sink(EventSink sink) { event_sink_ = std::move(sink); }
  // The sink of every graph that is made after this: for programs with several. While there is one
  // thread.
  static void set_default_event_sink(EventSink sink);

  std::shared_ptr<Node> find(const std::string& node_name) const; // null if there is none
  std::vector<std::shared_ptr<Node>> nodes() const;               // in the order of their opening

private:
  friend class Node;
  class NodeList;

  Result<std::shared_ptr<Node>> open_node(Options options, const OpenDefaults& defaults,
                                          const Node::Opening* parent);
  Result<void> close_node(const std::shared_ptr<Node>& node);
  Result<void> close_children(Node& node);

  static const EventSink& default_event_sink();

  EventSink event_sink_ = default_event_sink(); // constant once a node is open
  const std::unique_ptr<NodeList> list_;
};

// Options that open an image by file name as a user gives it: "file.filename" for a format, probing
// when `format` is empty; a protocol in front ("blkdebug:...") becomes "file.driver". A
// "json:{...}" name is not handled here: tools turn it into options before.
Options options_for_filename(const std::string& filename, const std::string& format);

// The protocol that a file name begins with: what stands before a colon that no slash precedes.
// Empty for a plain name and for "file:...".
std::string protocol_of(const std::string& filename);

// Where a backing file lies that the image `overlay` names: itself if absolute, else in the
// directory of the overlay. For showing and for opening. Errors: invalid_argument (empty, or a
// protocol or json: name, which an image may not ask for).
Result<std::string> resolve_backing_filename(const std::string& overlay,
                                             const std::string& backing);

// The making of an image, in steps between which a program can see to it that a new file goes if
// the program is ended.
class ImageCreation {
public:
  // Checks all options, then makes the file, or empties the one that is there. `options` as from
  // create -o, with "size". Errors: not_found (no such format), unsupported (it cannot create),
  // busy (another process uses the file), those of the drivers.
  static Result<ImageCreation> begin(const std::string& format, const std::string& filename,
                                     Options options);
  ImageCreation(ImageCreation&& other) noexcept;
  ImageCreation& operator=(ImageCreation&&) = delete;
  // Removes the new file unless keep() was called.
  ~ImageCreation();

  // The path of the file if begin() made it. Empty: the file or device was there before.
  const std::string& new_file() const { return new_file_; }
  // Lets the format driver write the empty image. It is durable when this returns.
  Result<void> write();
  // The file is to stay.
  void keep() { new_file_.clear(); }

private:
  ImageCreation() = default;

  const BlockDriver* format_ = nullptr;
  Options file_options_; // that open the file
  Options options_;
  std::string new_file_;
};

// All steps. A file that was not there before is removed if one fails.
Result<void> create_image(const std::string& format, const std::string& filename, Options options);

} // namespace block

#endif
