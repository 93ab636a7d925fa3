// The options of -o.
#include "block/tools/img/create-options.h"

#include "tests/support/nodes.h"

namespace tools::img {
namespace {

CreateOptions raw_options() {
  auto options = CreateOptions::for_format("raw");
  EXPECT_TRUE(options.ok());
  return std::move(options).value();
}

TEST(CreateOptions, UnknownFormatIsNamed) {
  EXPECT_EQ(message_of(CreateOptions::for_format("nonsense")), "Unknown file format 'nonsense'");
}

TEST(CreateOptions, LaterListsReplaceEarlierValues) {
  CreateOptions options = raw_options();
  ASSERT_TRUE(block::succeeded(options.add("size=1k")));
  ASSERT_TRUE(block::succeeded(options.add("size=2k")));
  ASSERT_TRUE(block::succeeded(options.check()));
  EXPECT_EQ(options.summary(), " size=2048");
}

TEST(CreateOptions, ListsWithEmptyElementsAreRefused) {
  for (const char* list : {"", ",size=1", "size=1,"}) {
    CreateOptions options = raw_options();
    EXPECT_EQ(message_of(options.add(list)), std::string("Invalid option list: ") + list);
  }
  CreateOptions options = raw_options();
  EXPECT_TRUE(options.add("size=1,,").ok()) << "a doubled comma belongs to the value";
}

TEST(CreateOptions, NamesAndTypesAreCheckedBeforeTheDriverSeesThem) {
  CreateOptions options = raw_options();
  options.set("colour", "red");
  EXPECT_EQ(message_of(options.check()), "Invalid parameter 'colour'");
  options = raw_options();
  options.set("size", "much");
  EXPECT_EQ(message_of(options.check()),
            "Parameter 'size' expects a non-negative number below 2^64");
  options.set("size", "9999999999999999999999");
  EXPECT_EQ(message_of(options.check()),
            "Value '9999999999999999999999' is out of range for parameter 'size'");
}

} // namespace
} // namespace tools::img
