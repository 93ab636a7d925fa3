// The NBD interface of the block layer: nbdkit's callbacks, each of which calls the exports.
#include "block/export/nbd/nbdkit/before-1.34.h"
#include "block/export/nbd/nbdkit/client-disconnector.h"
#include "block/export/nbd/nbdkit/plugin-options.h"
#include "block/export/nbd/nbdkit/working-directory.h"
#include "block/util/process.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/prctl.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

// The highest level that thread_model() may return.
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace {

using Connection = exports::NbdConnection;

constexpr std::uint32_t largest_request = 32 * 1024 * 1024; // bytes, advertised to clients
// Extents in one answer: enough for the look-ahead of any client, and bounds the time of the
// answer.
constexpr unsigned most_extents = 4096;

// Made in load(), on nbdkit's main thread, and not changed while requests run.
std::unique_ptr<exports::PluginHost> host;
std::unique_ptr<exports::PluginOptions> options;
std::unique_ptr<exports::WorkingDirectory> initial_directory;
std::unique_ptr<exports::ClientDisconnector> disconnector; // from after_fork() to cleanup()
bool stop_failed = false;

int fail(const block::Error& error) {
  nbdkit_error("%s", error.message().c_str());
  nbdkit_set_error(error.errno_value());
  return -1;
}

int answer(const block::Result<void>& result) {
  return result ? 0 : fail(result.error());
}

// Begins a request on a connection's node. Returns the error to the client if the export was
// removed.
#define BEGIN_REQUEST(request, handle)                                                             \
  auto request = static_cast<Connection*>(handle)->used().begin();                                 \
  if (!request) return fail(request.error())

// --- The process ---

void load() {
  block::prepare_process();
  initial_directory = std::make_unique<exports::WorkingDirectory>();
  host = exports::make_plugin_host();
  options = std::make_unique<exports::PluginOptions>(*host);
}

void unload() {
  options.reset();
  host.reset();
  // nbdkit returns success if it was asked to end, so this is the only way to return a failure.
  if (stop_failed) exit(EXIT_FAILURE);
}

int told(const block::Result<void>& result) {
  if (result) return 0;
  const block::Error& error = result.error();
  if (options->program().empty()) {
    nbdkit_error("%s", error.message().c_str());
    return -1;
  }
  std::fprintf(stderr, "%s: %s\n", options->program().c_str(), error.message().c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "%s\n", error.hint().c_str());
  return -1;
}

int config(const char* key, const char* value) {
  return told(options->take(key, value));
}

int config_complete() {
  return told(options->finish());
}

int thread_model() {
  return options->parallel() || exports::this_nbdkit_survives_dead_clients()
             ? NBDKIT_THREAD_MODEL_PARALLEL
             : NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS;
}

int get_ready() {
  // A daemon does not fork again: its real start shows the user the same errors.
  return options->program().empty() ? told(host->validate()) : 0;
}

int after_fork() {
  disconnector = std::make_unique<exports::ClientDisconnector>(
      [] { return !host->exports().in_use(); }, nbdkit_shutdown);
  // nbdkit -f of Debian 12 asks for SIGTERM when its parent ends. The parent of a daemon is
  // whoever typed the command, or the process that forked for --daemonize.
  if (!options->program().empty()) prctl(PR_SET_PDEATHSIG, 0);
  const exports::WorkingDirectory now;
  initial_directory->enter();
  const auto started = host->start([] { disconnector->begin(); }, options->ready_fd());
  now.enter();
  return told(started);
}

void cleanup() {
  stop_failed = told(host->stop()) != 0;
  disconnector.reset();
}

// --- Exports and connections ---

int list_exports(int, int, nbdkit_exports* list) {
  for (const auto& one : host->exports().list())
    if (nbdkit_add_export(list, one->name().c_str(), one->description().c_str()) == -1) return -1;
  return 0;
}

const char* default_export(int, int) {
  auto name = host->exports().default_name();
  if (!name) return nullptr;
  thread_local std::string kept; // nbdkit copies the text before the next call
  kept = *name;
  return kept.c_str();
}

void* open(int) {
  if (disconnector->begun()) return nullptr;
  auto connection = host->exports().connect(nbdkit_export_name());
  if (!connection) {
    fail(connection.error());
    return nullptr;
  }
  return std::move(connection).value().release();
}

void close(void* handle) {
  delete static_cast<Connection*>(handle);
}

const char* export_description(void* handle) {
  return static_cast<Connection*>(handle)->used().description().c_str();
}

std::int64_t get_size(void* handle) {
  BEGIN_REQUEST(request, handle);
  auto length = request->node().co_get_length();
  return length ? static_cast<std::int64_t>(*length) : fail(length.error());
}

int can_write(void* handle) {
  return static_cast<Connection*>(handle)->used().options().writable ? 1 : 0;
}

int yes(void*) {
  return 1;
}

int can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}

// nbdkit reads the range and drops the data, which fills the caches of the image and of the system.
int can_cache(void*) {
  return NBDKIT_CACHE_EMULATE;
}

int block_size(void* handle, std::uint32_t* minimum, std::uint32_t* preferred,
               std::uint32_t* maximum) {
  BEGIN_REQUEST(request, handle);
  *minimum = 1; // the node layer does read-modify-write where a driver needs alignment
  std::uint32_t preference =
      std::clamp<std::uint32_t>(request->node().limits().opt_transfer, 4096, largest_request);
  *preferred = std::bit_floor(preference);
  *maximum = largest_request;
  return 0;
}

// --- Requests ---

bool durable(void* handle, std::uint32_t flags) {
  return (flags & NBDKIT_FLAG_FUA) != 0 ||
         static_cast<Connection*>(handle)->used().options().writethrough;
}

int pread(void* handle, void* buffer, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  BEGIN_REQUEST(request, handle);
  return answer(request->node().co_readv(offset, block::IoVector(buffer, count)));
}

int pwrite(void* handle, const void* buffer, std::uint32_t count, std::uint64_t offset,
           std::uint32_t flags) {
  BEGIN_REQUEST(request, handle);
  return answer(request->node().co_writev(offset, block::IoVector(buffer, count),
                                          {.fua = durable(handle, flags)}));
}

int flush(void* handle, std::uint32_t) {
  BEGIN_REQUEST(request, handle);
  return answer(request->node().co_flush());
}

int trim(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
  BEGIN_REQUEST(request, handle);
  auto discarded = request->node().co_pdiscard(offset, count);
  if (!discarded) return fail(discarded.error());
  return durable(handle, flags) ? answer(request->node().co_flush()) : 0;
}

int zero(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
  BEGIN_REQUEST(request, handle);
  bool fast = (flags & NBDKIT_FLAG_FAST_ZERO) != 0;
  auto zeroed = request->node().co_pwrite_zeroes(offset, count,
                                                 {.fua = durable(handle, flags),
                                                  .may_unmap = (flags & NBDKIT_FLAG_MAY_TRIM) != 0,
                                                  .no_fallback = fast});
  if (!zeroed && fast && zeroed.error().kind() == block::ErrorKind::unsupported) {
    nbdkit_set_error(EOPNOTSUPP); // not a failure: the client then writes zeros itself
    return -1;
  }
  return answer(zeroed);
}

int extents(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
            nbdkit_extents* list) {
  BEGIN_REQUEST(request, handle);
  const std::uint64_t end = offset + count;
  for (unsigned found = 0; offset < end && found < most_extents; ++found) {
    auto place = request->node().co_chain_status(offset, end - offset);
    if (!place) return fail(place.error());
    const block::BlockStatus& status = place->status;
    // Hole and zero are reported separately: a zero cluster may have space in the file.
    std::uint32_t type =
        (status.data ? 0 : NBDKIT_EXTENT_HOLE) | (status.zero ? NBDKIT_EXTENT_ZERO : 0);
    if (nbdkit_add_extent(list, offset, status.bytes, type) == -1) return -1;
    if (flags & NBDKIT_FLAG_REQ_ONE) break;
    offset += status.bytes;
  }
  return 0;
}

nbdkit_plugin make_plugin() {
  nbdkit_plugin plugin{};
  plugin.name = "qcow2-dedup";
  plugin.longname = "qcow2-dedup block layer";
  plugin.version = QCOW2_DEDUP_VERSION;
  plugin.description = "serves images that deduplicate";
  plugin.config_help = exports::plugin_options_help;
  plugin.magic_config_key = "file";
  plugin.load = load;
  plugin.unload = unload;
  plugin.config = config;
  plugin.config_complete = config_complete;
  plugin.thread_model = thread_model;
  plugin.get_ready = get_ready;
  plugin.after_fork = after_fork;
  plugin.cleanup = cleanup;
  plugin.list_exports = list_exports;
  plugin.default_export = default_export;
  plugin.open = open;
  plugin.close = close;
  plugin.export_description = export_description;
  plugin.get_size = get_size;
  plugin.block_size = block_size;
  plugin.can_write = can_write;
  plugin.can_flush = yes;
  plugin.can_trim = yes;
  plugin.can_zero = yes;
  plugin.can_fast_zero = yes;
  plugin.can_extents = yes;
  // A flush on one connection covers the writes of all others: they share the node.
  plugin.can_multi_conn = yes;
  plugin.can_fua = can_fua;
  plugin.can_cache = can_cache;
  plugin.pread = pread;
  plugin.pwrite = pwrite;
  plugin.flush = flush;
  plugin.trim = trim;
  plugin.zero = zero;
  plugin.extents = extents;
  return plugin;
}

nbdkit_plugin plugin = make_plugin();

} // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
