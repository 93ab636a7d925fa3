// Schema types from and to options.
#include "qapi/command-line.h"

#include "qapi/marshal.h"
#include "qapi/types.h"

#include <gtest/gtest.h>

namespace {

template <typename T>
std::string error_of(const char* text) {
  const auto value = qapi::from_options<T>(*block::Options::parse(text));
  return value ? "no error" : value.error().message();
}

TEST(FromOptions, reads_an_export) {
  const auto value = qapi::from_options<qapi::BlockExportOptions>(
      *block::Options::parse("type=nbd,id=e,node-name=d,name=x,writable=on"));
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->type(), qapi::BlockExportType::nbd);
  EXPECT_EQ(value->id, "e");
  EXPECT_EQ(value->writable, true);
  EXPECT_EQ(value->writethrough, std::nullopt);
  EXPECT_EQ(std::get<qapi::BlockExportOptionsNbd>(value->u).name, "x");
}

TEST(FromOptions, reads_dotted_keys_as_members_of_members) {
  const auto value = qapi::from_options<qapi::NbdServerOptions>(*block::Options::parse(
      "addr.type=inet,addr.host=localhost,addr.port=10809,max-connections=5"));
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(std::get<qapi::InetSocketAddress>(value->addr.u).port, "10809");
  EXPECT_EQ(value->max_connections, 5u);
}

TEST(FromOptions, names_the_parameter_that_is_wrong) {
  using qapi::NbdServerOptions;
  EXPECT_EQ(error_of<NbdServerOptions>(""), "Parameter 'addr' is missing");
  EXPECT_EQ(error_of<NbdServerOptions>("addr.type=unix"), "Parameter 'addr.path' is missing");
  EXPECT_EQ(error_of<NbdServerOptions>("addr.type=tcp"),
            "Parameter 'addr.type' does not accept value 'tcp'");
  EXPECT_EQ(error_of<NbdServerOptions>("addr.type=unix,addr.path=p,addr.port=1"),
            "Parameter 'addr.port' is unexpected");
  EXPECT_EQ(error_of<NbdServerOptions>("addr.type=unix,addr.path=p,max-connections=-1"),
            "Parameter 'max-connections' expects an integer from 0 to 18446744073709551615");
  EXPECT_EQ(error_of<qapi::BlockExportOptions>("type=nbd,id=e,node-name=d,writable=perhaps"),
            "Parameter 'writable' expects 'on' or 'off'");
}

TEST(ToOptions, is_the_inverse) {
  const auto options = *block::Options::parse(
      "type=nbd,id=e,node-name=d,name=\xff,,x,description=,writable=on,writethrough=off");
  const auto value = qapi::from_options<qapi::BlockExportOptions>(options);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(qapi::to_options(*value)->entries(), options.entries());
  const auto server = *block::Options::parse("addr.type=unix,addr.path=p,max-connections=5");
  EXPECT_EQ(qapi::to_options(*qapi::from_options<qapi::NbdServerOptions>(server))->entries(),
            server.entries());
}

TEST(FromText, reads_an_enum) {
  const auto type = qapi::from_text<qapi::BlockExportType>("nbd");
  ASSERT_TRUE(type) << type.error().message();
  EXPECT_EQ(*type, qapi::BlockExportType::nbd);
  EXPECT_FALSE(qapi::from_text<qapi::BlockExportType>("x"));
}

TEST(FromOptions, refuses_a_key_that_is_both_a_value_and_an_object) {
  for (const char* text : {"addr=x,addr.path=y", "addr.path=y,addr.path.z=x", "a.b.c=1,a=2"})
    EXPECT_NE(error_of<qapi::NbdServerOptions>(text).find("contradicts another parameter"),
              std::string::npos)
        << text;
}

} // namespace
