// A QMP session against mutated input: never a crash, never more replies or memory than input
// allows, and always in step again after a reset. Deterministic: the seed is printed and can be set
// with QMP_MUTATION_SEED; time is bounded.
#include "monitor/qmp-session.h"

#include "test-dispatcher.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

namespace {

using namespace std::chrono_literals;

const std::vector<std::string> seeds = {
    R"({"execute": "qmp_capabilities"})",
    R"({"execute": "echo", "arguments": {"a": [1, -2, 1.5e3], "b": {"c": null}}, "id": "x"})",
    R"({'execute': 'echo', 'arguments': {'t': 'it\'s "quoted"'}, 'id': 18446744073709551615})",
    R"({"execute": "fail", "id": [[[[{}]]]]})",
    "{\"execute\": \"echo\", \"arguments\": {\"u\": \"\\u00e9\xC3\xA9\\ud83d\\ude00\"}}",
    R"({"execute": "echo", "execute": "echo"} {"a": } [1, 2 {]} "text" true 12)",
};

// Pieces that parsers stumble over.
const std::vector<std::string> snippets = {
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    "\\u",
    "\\ud800",
    ":",
    ",",
    std::string(1, '\0'),
    "\xFF",
    "\xC3",
    "\n",
    "\t",
    "-",
    "1e999",
    "99999999999999999999",
    "true",
    "nul",
    std::string(1100, '['),
    std::string(5000, ' '),
    "\"id\": ",
};

class Mutator {
public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string text;
    for (std::size_t parts = 1 + below(3); parts > 0; --parts)
      text += seeds[below(seeds.size())];
    for (std::size_t changes = below(8); changes > 0; --changes)
      change(text);
    return text;
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }

private:
  void change(std::string& text) {
    const std::size_t place = below(text.size() + 1);
    const std::size_t length = below(20);
    switch (below(5)) {
    case 0:
      text.insert(place, snippets[below(snippets.size())]);
      break;
    case 1:
      text.erase(place, length);
      break;
    case 2:
      text.insert(place, text.substr(below(text.size() + 1), length));
      break;
    case 3:
      text.insert(place, 1, static_cast<char>(below(256)));
      break;
    default:
      if (place < text.size()) text[place] = static_cast<char>(text[place] ^ (1 << below(8)));
    }
  }

  std::mt19937_64 random_;
};

std::uint64_t chosen_seed() {
  const char* text = std::getenv("QMP_MUTATION_SEED");
  return text ? std::strtoull(text, nullptr, 0) : 20240229;
}

TEST(QmpMutation, a_session_survives_what_nobody_would_send) {
  const std::uint64_t seed = chosen_seed();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("QMP_MUTATION_SEED=" + std::to_string(seed));
  Mutator mutator(seed);
  test::TestDispatcher dispatcher;
  const auto end = std::chrono::steady_clock::now() + 3s;
  int rounds = 0;
  for (; rounds < 20000 && std::chrono::steady_clock::now() < end; ++rounds) {
    monitor::QmpSession session(dispatcher);
    const std::string text = mutator.next();
    std::string_view rest = text;
    while (!rest.empty()) {
      std::string_view piece = rest.substr(0, 1 + mutator.below(rest.size()));
      rest.remove_prefix(piece.size());
      while (const auto reply = session.handle(piece)) {
        // Every reply is one line of ASCII that a strict parser takes.
        ASSERT_TRUE(reply->ends_with("\r\n"));
        ASSERT_TRUE(std::all_of(reply->begin(), reply->end() - 2, [](char c) {
          return c >= ' ' && c <= '~';
        })) << *reply;
        ASSERT_TRUE(test::is_reply(*reply)) << *reply;
      }
      ASSERT_TRUE(piece.empty());
    }
    // Whatever came before, 0xFF ends it, and the next request is answered.
    std::string_view request = "\xFF{\"execute\": \"echo\", \"id\": \"in step\"}";
    std::string last;
    while (const auto reply = session.handle(request))
      last = *reply;
    ASSERT_NE(last.find("\"id\": \"in step\""), std::string::npos) << text;
  }
  EXPECT_GT(rounds, 100);
}

} // namespace
