// Handlers: exports and the NBD server.
#include "monitor/command-context.h"
#include "qapi/commands.h"

namespace qapi {

block::Result<void> qmp_block_export_add(monitor::CommandContext& context,
                                         BlockExportOptions arguments) {
  if (!context.serves_nbd)
    return block::Error(block::ErrorKind::invalid_argument, "NBD server not running")
        .with_hint("Start the program with --nbd-server.");
  const auto& nbd = std::get<BlockExportOptionsNbd>(arguments.u);
  exports::ExportOptions options;
  options.id = arguments.id;
  options.node_name = arguments.node_name;
  options.name = nbd.name.value_or(arguments.node_name);
  options.description = nbd.description.value_or("");
  options.writable = arguments.writable.value_or(false);
  options.writethrough = arguments.writethrough.value_or(false);
  return context.exports.add(std::move(options));
}

block::Result<void> qmp_block_export_del(monitor::CommandContext& context,
                                         BlockExportDelArguments arguments) {
  bool hard = arguments.mode == BlockExportRemoveMode::hard;
  return context.exports.remove(arguments.id,
                                hard ? exports::RemoveMode::hard : exports::RemoveMode::safe);
}

block::Result<std::vector<BlockExportInfo>>
qmp_query_block_exports(monitor::CommandContext& context) {
  std::vector<BlockExportInfo> list;
  for (const exports::ExportFacts& facts : context.exports.list())
    list.push_back({facts.id, BlockExportType::nbd, facts.node_name, facts.shutting_down});
  return list;
}

block::Result<void> qmp_nbd_server_start(monitor::CommandContext&, NbdServerStartArguments) {
  return block::Error(block::ErrorKind::unsupported,
                      "The address and TLS of the NBD server are fixed when the program starts: "
                      "use --nbd-server");
}

block::Result<void> qmp_nbd_server_stop(monitor::CommandContext&) {
  return block::Error(block::ErrorKind::unsupported,
                      "The NBD server runs as long as the program: use block-export-del to take an "
                      "export away, or quit");
}

} // namespace qapi
