// Formats that have no driver here: recognised, refused by name, and no raw disk by mistake.
#include "block/node/foreign-format.h"

#include "tests/node/chain-driver.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

namespace block {
namespace {

using namespace std::literals;

std::string at(std::size_t offset, std::string_view bytes) {
  return zeros(offset) + std::string(bytes);
}

struct Sample {
  const char* format;
  std::string head;
};

std::vector<Sample> samples() {
  std::string bochs = at(0, "Bochs Virtual HD Image\0"sv);
  bochs.resize(32);
  bochs += "Redolog\0"sv;
  bochs.resize(48);
  bochs += "Growing\0"sv;
  bochs.resize(64);
  bochs += "\0\0\2\0"sv;
  return {
      {"qcow", std::string("QFI\xfb\0\0\0\1"sv)},
      {"vmdk", "KDMV"},
      {"vmdk", "COWD"},
      {"vmdk", "# Disk DescriptorFile\nversion=1\nCID=1\n"},
      {"vmdk", "# one\r\n  \r\n# two\r\nversion=3\r\n"},
      {"vdi", at(64, "\x7f\x10\xda\xbe")},
      {"vhdx", "vhdxfile"},
      {"vpc", "conectix"},
      {"qed", std::string("QED\0"sv)},
      {"parallels", std::string("WithoutFreeSpace\2\0\0\0"sv)},
      {"parallels", std::string("WithouFreSpacExt\2\0\0\0"sv)},
      {"luks", std::string("LUKS\xba\xbe\0\1"sv)},
      {"bochs", bochs},
      {"cloop", "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"},
  };
}

std::string format_of(const std::string& head, const std::string& filename = "") {
  return foreign_format(std::as_bytes(std::span(head.data(), head.size())), filename);
}

TEST(ForeignFormat, IsRecognisedByItsFirstBytes) {
  for (const Sample& sample : samples()) {
    EXPECT_EQ(format_of(sample.head + zeros(512)), sample.format);
    for (std::size_t cut = 0; cut + 1 < sample.head.size() && cut < 4; ++cut)
      EXPECT_EQ(format_of(sample.head.substr(0, cut)), "") << sample.format;
  }
  EXPECT_EQ(format_of("koly", "disk.dmg"), "dmg");
}

TEST(ForeignFormat, WhatIsNoneIsNotTakenForOne) {
  for (const std::string& head :
       {zeros(512), "# a comment\n# another"s, "# a comment\nversion=4\n"s, "version=1"s,
        "text\nversion=1\n"s, "KDM"s, "WithoutFreeSpace\3\0\0\0"s, "QFI\xfb"s,
        std::string("LUKS\xba\xbe\0\2"sv), "#!/bin/sh\necho\n"s})
    EXPECT_EQ(format_of(head, "disk.img"), "") << head;
}

class ForeignFile : public testing::Test {
protected:
  ForeignFile() { register_chain_driver(); }
  Result<std::shared_ptr<Node>> open_file(const std::string& format) {
    return graph.open(options_for_filename(directory.file("disk"), format), {.read_only = true});
  }
  std::string refusal(const char* format) {
    return "'" + directory.file("disk") + "' is an image of format '" + format +
           "', which is not supported";
  }
  TemporaryDirectory directory;
  Graph graph;
};

TEST_F(ForeignFile, IsRefusedByNameUnlessTheUserSaysRaw) {
  for (const Sample& sample : samples()) {
    directory.make("disk", sample.head + zeros(512));
    EXPECT_EQ(message_of(open_file("")), refusal(sample.format));
    auto raw = open_file("raw");
    ASSERT_TRUE(succeeded(raw));
    EXPECT_EQ(read(**raw, 0, 4), (sample.head + zeros(512)).substr(0, 4));
    ASSERT_TRUE(succeeded(graph.close((*raw)->name())));
  }
}

TEST_F(ForeignFile, IsRefusedAsABackingFileOfNoSaidFormat) {
  directory.make("disk", "KDMV" + zeros(512));
  directory.make("overlay", chain_image("disk"));
  EXPECT_EQ(message_of(graph.open(options_for_filename(directory.file("overlay"), "chain"),
                                  {.read_only = true})),
            "Could not open backing file: " + refusal("vmdk"));
}

TEST_F(ForeignFile, IsNotMadeOfAProbedRawDisk) {
  directory.make("disk", zeros(4096));
  auto node = graph.open(options_for_filename(directory.file("disk"), ""), {});
  ASSERT_TRUE(succeeded(node));
  for (const Sample& sample : samples())
    EXPECT_EQ(message_of(write(**node, 0, sample.head)),
              "Write would make the disk look like format '" + std::string(sample.format) +
                  "', because its format was probed and not given");
  EXPECT_TRUE(succeeded(write(**node, 512, "KDMV")));
}

} // namespace
} // namespace block
