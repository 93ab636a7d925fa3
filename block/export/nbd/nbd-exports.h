// NbdExports: the type "nbd", and the exports of it as the clients of an NBD server see them.
#ifndef BLOCK_EXPORT_NBD_NBD_EXPORTS_H
#define BLOCK_EXPORT_NBD_NBD_EXPORTS_H

#include "block/export/registry.h"

namespace exports {

class NbdExport final : public Export {
public:
  NbdExport(Setup setup, std::string name, std::string description)
      : Export(std::move(setup)), name_(std::move(name)), description_(std::move(description)) {}
  // Unique among the exports of NBD; the name that guests request, at most 4096 bytes.
  const std::string& name() const { return name_; }
  // For clients that list exports; may be empty.
  const std::string& description() const { return description_; }

private:
  const std::string name_;
  const std::string description_;
};

// One client's use of an export.
class NbdConnection {
public:
  // Takes over a successful add_client().
  explicit NbdConnection(std::shared_ptr<NbdExport> used) : export_(std::move(used)) {}
  NbdConnection(const NbdConnection&) = delete;
  NbdConnection& operator=(const NbdConnection&) = delete;
  ~NbdConnection() { export_->remove_client(); }
  NbdExport& used() const { return *export_; }

private:
  const std::shared_ptr<NbdExport> export_;
};

// All functions may be called on any thread.
class NbdExports final : public ExportType {
public:
  explicit NbdExports(const ExportRegistry& registry) : registry_(registry) {}
  // Returns the object of this registry, which must have been made with the type.
  static NbdExports& of(const ExportRegistry& registry);

  std::string_view name() const override { return "nbd"; }
  // Options: name (absent: that of the node), description. Errors: invalid_argument (no server
  // runs, text too long), exists (name).
  block::Result<std::shared_ptr<Export>> create(Export::Setup setup, block::Options& own) override;

  // States that an NBD server runs in this process. Exports can be added from then on.
  void set_served() { served_ = true; }

  std::vector<std::shared_ptr<NbdExport>> list() const; // ordered by id
  // Returns the name of the export for a client that requests no name: the export called "",
  // otherwise the first by id.
  std::optional<std::string> default_name() const;
  // Connects a client to the export of that name. Errors: not_found.
  block::Result<std::unique_ptr<NbdConnection>> connect(const std::string& name) const;
  // Returns whether a client is connected to any export.
  bool in_use() const;

private:
  const ExportRegistry& registry_;
  std::atomic<bool> served_{false};
};

std::unique_ptr<ExportType> make_nbd_exports(const ExportRegistry& registry);

} // namespace exports

#endif
