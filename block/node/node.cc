// Node: its users, and the calls that are not requests.
#include "block/graph.h"
#include "block/node/inner.h"

namespace block {

Node::Node(const BlockDriver& driver) : driver_(&driver) {}

Node::~Node() = default;

Node::Inner::Inner(Graph& graph, const BlockDriver& driver, std::string name)
    : Node(driver), graph_(graph), name_(std::move(name)) {}

const std::string& Node::name() const {
  return Inner::of(*this).name_;
}

const std::string& Node::filename() const {
  return Inner::of(*this).filename_;
}

void Node::set_filename(std::string filename) {
  Inner::of(*this).filename_ = std::move(filename);
}

DetectZeroes Node::detect_zeroes() const {
  return Inner::of(*this).detect_zeroes_;
}

bool Node::unmaps() const {
  return Inner::of(*this).discard_;
}

bool Node::cache_direct() const {
  return Inner::of(*this).cache_direct_;
}

bool Node::cache_no_flush() const {
  return Inner::of(*this).cache_no_flush_;
}

bool Node::follow_image_backing() const {
  return Inner::of(*this).follow_image_backing_;
}

bool Node::force_share() const {
  return Inner::of(*this).force_share_;
}

bool Node::for_check() const {
  return Inner::of(*this).for_check_;
}

const NodeStats& Node::stats() const {
  return Inner::of(*this).stats_;
}

Result<Node::Attachment> Node::attach(std::shared_ptr<Node> node, std::string user, Access access) {
  if (access.write && node->read_only_)
    return Error(ErrorKind::permission, "Block node '" + node->name() + "' is read-only");
  BLOCK_TRY_ASSIGN(const std::uint64_t id, Inner::of(*node).users_.add(std::move(user), access));
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
  if (node_) Inner::of(*node_).users_.remove(id_);
}

std::vector<std::string> Node::users() const {
  return Inner::of(*this).users_.names();
}

Node* Node::child(const std::string& name) const {
  const auto& children = Inner::of(*this).further_children_;
  auto found = children.find(name);
  return found == children.end() ? nullptr : found->second.attachment.node();
}

std::vector<Node*> Node::children() const {
  std::vector<Node*> all = {file(), backing()};
  for (const auto& [name, child] : Inner::of(*this).further_children_)
    all.push_back(child.attachment.node());
  std::erase(all, nullptr);
  return all;
}

bool Node::fall_back_to_read_only() {
  if (!Inner::of(*this).auto_read_only_) return false;
  read_only_ = true;
  return true;
}

JobList* Node::jobs() const {
  return Inner::of(*this).graph_.jobs_;
}

Result<void> Node::Inner::closed() const {
  return Error(ErrorKind::not_found, "Node '" + name_ + "' has been closed");
}

Result<void> Node::Inner::only_checked() const {
  BLOCK_TRY(check_open());
  return Error(ErrorKind::unsupported, "the image is open only to be checked");
}

Result<void> Node::Inner::not_writable() const {
  return Error(ErrorKind::permission, "Block node '" + name_ + "' is read-only");
}

bool Node::reads_as_zeros_when_new() {
  if (driver_->reads_as_zeros_when_new) return driver_->reads_as_zeros_when_new(*this);
  return driver_->is_filter && file()->reads_as_zeros_when_new();
}

Result<void> Node::Inner::close_driver() {
  return driver_->close ? call_request("close", driver_->close) : Result<void>();
}

void Node::resume_flushes() {
  Inner& node = Inner::of(*this);
  node.cache_no_flush_ = false;
  auto resume = [](const Child& place) {
    if (place.owned) place.attachment.node()->resume_flushes();
  };
  resume(file_);
  for (const auto& [name, place] : node.further_children_)
    resume(place);
}

Result<DriverInfo> Node::get_info() {
  Inner& node = Inner::of(*this);
  std::lock_guard hold(node.control_mutex_);
  BLOCK_TRY(node.check_open());
  if (!driver_->get_info) return DriverInfo{};
  return node.call("get_info", driver_->get_info);
}

Result<void> Node::Inner::check_unused() const {
  if (for_check_) return {};
  return Error(ErrorKind::busy, "the image is in use; it can be checked only while nobody uses it");
}

Result<CheckReport> Node::check(const CheckRequest& request) {
  Inner& node = Inner::of(*this);
  std::lock_guard hold(node.control_mutex_);
  BLOCK_TRY(node.check_open());
  if (!driver_->check)
    return Error(ErrorKind::unsupported, "This image format does not support checks");
  if (request.repair_leaks || request.repair_errors) BLOCK_TRY(node.check_writable());
  BLOCK_TRY(node.check_unused());
  return node.call("check", driver_->check, request);
}

Result<std::uint64_t> Node::trim(const Progress& progress) {
  Inner& node = Inner::of(*this);
  std::lock_guard hold(node.control_mutex_);
  BLOCK_TRY(node.check_open());
  if (!driver_->trim)
    return Error(ErrorKind::unsupported, "Format driver '" + std::string(driver_->format_name) +
                                             "' does not support trimming");
  BLOCK_TRY(node.check_writable());
  BLOCK_TRY(node.check_unused());
  return node.call("trim", driver_->trim, progress);
}

Error not_deduplicated(const Node& node) {
  return Error(ErrorKind::not_dedup, "Device '" + node.name() + "' is not deduplicated");
}

Result<void> Node::pause_dedup() {
  return Inner::of(*this).control_dedup("dedup->pause", &DedupOperations::pause);
}

Result<void> Node::resume_dedup(const ResumeDedup& how) {
  return Inner::of(*this).control_dedup("dedup->resume", &DedupOperations::resume, how);
}

Result<DedupInfo> Node::query_dedup() {
  return Inner::of(*this).control_dedup("dedup->query", &DedupOperations::query);
}

Result<void> Node::amend(Options& options) {
  Inner& node = Inner::of(*this);
  std::lock_guard hold(node.control_mutex_);
  BLOCK_TRY(node.check_serving());
  if (!driver_->amend)
    return Error(ErrorKind::unsupported, "Format driver '" + std::string(driver_->format_name) +
                                             "' does not support option amendment");
  BLOCK_TRY(node.check_writable());
  return node.call("amend", driver_->amend, options);
}

} // namespace block
