// ExportType: how exports of one type are made. A folder below block/export/ defines each type.
#ifndef BLOCK_EXPORT_EXPORT_TYPE_H
#define BLOCK_EXPORT_EXPORT_TYPE_H

#include "block/export/export.h"
#include "block/options.h"

#include <memory>
#include <string_view>
#include <vector>

namespace exports {

class ExportRegistry;

// A registry has one object of each type, as long as it lives.
class ExportType {
public:
  virtual ~ExportType() = default;

  // The value of `type` in the options of an export: "nbd".
  virtual std::string_view name() const = 0;
  // Makes an export of a node that is attached already. Takes the options of this type out of
  // `own`; an option that is left there is an error. Called for one export at a time, without a
  // lock that requests or queries need.
  // Must not start anything that serves clients or ends the export: the registry lists the export
  // only after this function has returned, and discards it if options are left.
  virtual block::Result<std::shared_ptr<Export>> create(Export::Setup setup,
                                                        block::Options& own) = 0;
};

// Makes the object of a type for a registry, which outlives it.
using MakeExportType = std::unique_ptr<ExportType> (*)(const ExportRegistry& registry);

// All types of this build. block/export/meson.build generates the definition from what the folders
// of the types add to `export_types`.
std::vector<MakeExportType> all_export_types();

} // namespace exports

#endif
