// Node: its users, and the calls that are not requests.
#include "block/graph.h"

#include "block/node/users.h"
#include "block/range-lock.h"

namespace block {

Node::Node(Graph& graph, const BlockDriver& driver, std::string name)
    : graph_(graph),
      driver_(&driver),
      name_(std::move(name)),
      users_(std::make_unique<Users>(name_)) {}

Node::~Node() = default;

Result<Node::Attachment> Node::attach(std::shared_ptr<Node> node, std::string user, Access access) {
  if (access.write && node->read_only_)
    return Error(ErrorKind::permission, "Block node '" + node->name_ + "' is read-only");
  BLOCK_TRY_ASSIGN(const std::uint64_t id, node->users_->add(std::move(user), access));
  return Attachment(std::move(node), id);
}

Node::Attachment& Node::Attachment::operator=(Attachment&& other) noexcept {
  if (this != &other) {
    Attachment ending(std::move(*this));
    node_ = std::move(other.node_);
    id_ = other.id_;
  }
  return *this;
}

Node::Attachment::~Attachment() {
  if (node_) node_->users_->remove(id_);
}

std::vector<std::string> Node::users() const {
  return users_->names();
}

Node* Node::child(const std::string& name) const {
  auto found = further_children_.find(name);
  return found == further_children_.end() ? nullptr : found->second.attachment.node();
}

std::vector<Node*> Node::children() const {
  std::vector<Node*> all = {file(), backing()};
  for (const auto& [name, child] : further_children_)
    all.push_back(child.attachment.node());
  std::erase(all, nullptr);
  return all;
}

bool Node::fall_back_to_read_only() {
  if (auto_read_only_) read_only_ = true;
  return auto_read_only_;
}

JobList* Node::jobs() const {
  return graph_.jobs_;
}

Result<void> Node::check_open() const {
  if (closed_.load(std::memory_order_relaxed))
    return Error(ErrorKind::not_found, "Node '" + name_ + "' has been closed");
  return {};
}

bool Node::reads_as_zeros_when_new() {
  return driver_->reads_as_zeros_when_new && driver_->reads_as_zeros_when_new(*this);
}

void Node::resume_flushes() {
  cache_no_flush_ = false;
  auto resume = [](const Child& place) {
    if (place.owned) place.attachment.node()->resume_flushes();
  };
  resume(file_);
  for (const auto& [name, place] : further_children_)
    resume(place);
}

Result<DriverInfo> Node::get_info() {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->get_info) return DriverInfo{};
  return driver_->get_info(*this);
}

Result<CheckReport> Node::check(const CheckRequest& request) {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->check)
    return Error(ErrorKind::unsupported, "This image format does not support checks");
  if (read_only_ && (request.repair_leaks || request.repair_errors))
    return Error(ErrorKind::permission, "Block node '" + name_ + "' is read-only");
  return driver_->check(*this, request);
}

Result<std::uint64_t> Node::trim(const Progress& progress) {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->trim)
    return Error(ErrorKind::unsupported, "Format driver '" + std::string(driver_->format_name) +
                                             "' does not support trimming");
  if (read_only_) return Error(ErrorKind::permission, "Block node '" + name_ + "' is read-only");
  return driver_->trim(*this, progress);
}

namespace {

Error not_dedup(const Node& node) {
  return Error(ErrorKind::not_dedup, "Device '" + node.name() + "' is not deduplicated");
}

} // namespace

Result<void> Node::pause_dedup() {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->pause_dedup) return not_dedup(*this);
  return driver_->pause_dedup(*this);
}

Result<void> Node::resume_dedup(const ResumeDedup& how) {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->resume_dedup) return not_dedup(*this);
  return driver_->resume_dedup(*this, how);
}

Result<DedupInfo> Node::query_dedup() {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->query_dedup) return not_dedup(*this);
  return driver_->query_dedup(*this);
}

Result<void> Node::amend(Options& options) {
  std::lock_guard hold(control_mutex_);
  BLOCK_TRY(check_open());
  if (!driver_->amend)
    return Error(ErrorKind::unsupported, "Format driver '" + std::string(driver_->format_name) +
                                             "' does not support option amendment");
  if (read_only_) return Error(ErrorKind::permission, "Block node '" + name_ + "' is read-only");
  return driver_->amend(*this, options);
}

} // namespace block
