// Recognises formats by their first bytes.
#include "block/node/foreign-format.h"

#include "block/endian.h"

#include <cstdint>
#include <string_view>

namespace block {
namespace {

class Head {
public:
  explicit Head(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  bool has(std::size_t offset, std::string_view expected) const {
    return offset <= bytes_.size() && text().substr(offset).starts_with(expected);
  }
  bool has_little_endian(std::size_t offset, std::uint32_t expected) const {
    return offset + sizeof expected <= bytes_.size() &&
           load_little_endian<std::uint32_t>(&bytes_[offset]) == expected;
  }

private:
  std::span<const std::byte> bytes_;
};

using namespace std::literals;

bool is_qcow(const Head& head) {
  return head.has(0, "QFI\xfb\0\0\0\1"sv); // later versions are qcow2
}

// Returns whether the text is a VMDK descriptor, which names the files with the data: comments and
// blank lines, then the version.
bool is_vmdk_descriptor(std::string_view text) {
  for (;;) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("version="))
      return line == "version=1" || line == "version=2" || line == "version=3";
    if (!line.starts_with('#') && line.find_first_not_of(' ') != std::string_view::npos)
      return false;
    text.remove_prefix(end + 1);
  }
}

bool is_vmdk(const Head& head) {
  return head.has(0, "KDMV") || head.has(0, "COWD") || is_vmdk_descriptor(head.text());
}

bool is_vdi(const Head& head) {
  return head.has_little_endian(64, 0xbeda107f);
}

bool is_vhdx(const Head& head) {
  return head.has(0, "vhdxfile");
}

// An image of fixed size has this mark only at its end, and stock QEMU also treats it as a raw
// disk.
bool is_vpc(const Head& head) {
  return head.has(0, "conectix");
}

bool is_qed(const Head& head) {
  return head.has(0, "QED\0"sv);
}

bool is_parallels(const Head& head) {
  return (head.has(0, "WithoutFreeSpace") || head.has(0, "WithouFreSpacExt")) &&
         head.has_little_endian(16, 2);
}

bool is_luks(const Head& head) {
  return head.has(0, "LUKS\xba\xbe\0\1"sv); // stock QEMU treats version 2 as a raw disk
}

bool is_bochs(const Head& head) {
  return head.has(0, "Bochs Virtual HD Image\0"sv) && head.has(32, "Redolog\0"sv) &&
         head.has(48, "Growing\0"sv) &&
         (head.has_little_endian(64, 0x00020000) || head.has_little_endian(64, 0x00010000));
}

bool is_cloop(const Head& head) {
  return head.has(0, "#!/bin/sh\n#V2.0 Format\n");
}

struct Format {
  const char* name;
  bool (*matches)(const Head& head);
};

constexpr Format formats[] = {
    {"qcow", is_qcow},           {"vmdk", is_vmdk},   {"vdi", is_vdi},
    {"vhdx", is_vhdx},           {"vpc", is_vpc},     {"qed", is_qed},
    {"luks", is_luks},           {"bochs", is_bochs}, {"cloop", is_cloop},
    {"parallels", is_parallels},
};

} // namespace

std::string foreign_format(std::span<const std::byte> head, const std::string& filename) {
  for (const Format& format : formats)
    if (format.matches(Head(head))) return format.name;
  return filename.ends_with(".dmg") ? "dmg" : ""; // its mark is at the end of the file
}

} // namespace block
