// Handlers: exports, whatever their type.
#include "monitor/command-context.h"
#include "qapi/command-line.h"
#include "qapi/commands.h"
#include "qapi/marshal.h"

namespace qapi {

block::Result<void> qmp_block_export_add(monitor::CommandContext& context,
                                         BlockExportOptions arguments) {
  BLOCK_TRY_ASSIGN(block::Options options, to_options(arguments));
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
  for (const auto& one : context.exports.list()) {
    BLOCK_TRY_ASSIGN(const auto type, from_text<BlockExportType>(std::string(one->type().name())));
    list.push_back({one->options().id, type, one->options().node_name, one->shutting_down()});
  }
  return list;
}

} // namespace qapi
