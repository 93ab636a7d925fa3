// NbdExports: names, and the clients that connect by them.
#include "block/export/nbd/nbd-exports.h"

#include <algorithm>

namespace exports {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

constexpr std::size_t longest_text = 4096; // bytes: the limit of the NBD protocol for strings

} // namespace

std::unique_ptr<ExportType> make_nbd_exports(const ExportRegistry& registry) {
  return std::make_unique<NbdExports>(registry);
}

NbdExports& NbdExports::of(const ExportRegistry& registry) {
  return static_cast<NbdExports&>(*registry.find_type("nbd"));
}

Result<std::shared_ptr<Export>> NbdExports::create(Export::Setup setup, block::Options& own) {
  if (!served_) return Error(ErrorKind::invalid_argument, "NBD server not running");
  std::string name = own.take("name").value_or(setup.options.node_name);
  std::string description = own.take("description").value_or("");
  if (name.size() > longest_text)
    return Error(ErrorKind::invalid_argument, "export name is longer than 4096 bytes");
  if (description.size() > longest_text)
    return Error(ErrorKind::invalid_argument, "description is longer than 4096 bytes");
  for (const auto& other : list())
    if (other->name() == name)
      return Error(ErrorKind::exists, "NBD server already has export named '" + name + "'");
  return std::shared_ptr<Export>(
      std::make_shared<NbdExport>(std::move(setup), std::move(name), std::move(description)));
}

std::vector<std::shared_ptr<NbdExport>> NbdExports::list() const {
  std::vector<std::shared_ptr<NbdExport>> ours;
  for (const std::shared_ptr<Export>& one : registry_.list())
    if (&one->type() == this) ours.push_back(std::static_pointer_cast<NbdExport>(one));
  return ours;
}

std::optional<std::string> NbdExports::default_name() const {
  const auto all = list();
  if (all.empty()) return std::nullopt;
  const bool unnamed =
      std::ranges::any_of(all, [](const auto& one) { return one->name().empty(); });
  return unnamed ? "" : all.front()->name();
}

Result<std::unique_ptr<NbdConnection>> NbdExports::connect(const std::string& name) const {
  for (const auto& one : list())
    if (one->name() == name && one->add_client()) return std::make_unique<NbdConnection>(one);
  return Error(ErrorKind::not_found, "there is no export '" + name + "'");
}

bool NbdExports::in_use() const {
  return std::ranges::any_of(list(), [](const auto& one) { return one->clients() > 0; });
}

} // namespace exports
