// SPDX-License-Identifier: MIT
#include <moeclip/io/pickle/writer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <moeclip/io/pickle/machine.hpp>
#include "expect_error.hpp"

namespace {

using namespace moeclip;

TEST_CASE("pickle writer: every plain value is read again") {
  const std::vector<std::int64_t> integers = {0,
                                              1,
                                              255,
                                              256,
                                              65535,
                                              65536,
                                              -1,
                                              -256,
                                              1 << 30,
                                              -(1 << 30),
                                              std::int64_t{1} << 31,
                                              -(std::int64_t{1} << 31),
                                              INT64_MAX,
                                              INT64_MIN};
  const std::vector<double> reals = {0.0, -0.0, 5e-5, 1e300, -1.5, std::numeric_limits<double>::denorm_min()};
  PickleWriter writer;
  writer.begin_list();
  for (const std::int64_t value : integers) writer.integer(value);
  for (const double value : reals) writer.real(value);
  writer.null();
  writer.boolean(true);
  writer.boolean(false);
  writer.text("gr\xC3\xBC\xC3\x9F");
  writer.text("");
  writer.end();
  const std::string bytes = writer.finish();
  const Pickle pickle = read_pickle(as_bytes(bytes), "p");
  CHECK(pickle.size == bytes.size());
  std::vector<PickleNode> nodes;
  pickle.graph.for_each_child(pickle.root, [&](PickleRef child) { nodes.push_back(pickle.graph[child]); });
  REQUIRE(nodes.size() == integers.size() + reals.size() + 5);
  for (std::size_t i = 0; i < integers.size(); ++i) CHECK(nodes[i].integer == integers[i]);
  for (std::size_t i = 0; i < reals.size(); ++i) {
    CHECK(nodes[integers.size() + i].real == reals[i]);
    CHECK(std::signbit(nodes[integers.size() + i].real) == std::signbit(reals[i]));
  }
  const auto rest = std::vector(nodes.end() - 5, nodes.end());
  CHECK(rest[0].kind == PickleKind::none);
  CHECK(rest[1].integer == 1);
  CHECK(rest[2].integer == 0);
  CHECK(rest[3].text == "gr\xC3\xBC\xC3\x9F");
  CHECK(rest[4].text.empty());
}

TEST_CASE("pickle writer: containers inside each other, full and empty") {
  PickleWriter writer;
  writer.begin_dict();
  writer.text("a");
  writer.begin_ordered_dict();
  writer.integer(7);
  writer.begin_tuple();
  writer.end();
  writer.end();
  writer.text("b");
  writer.begin_list();
  writer.end();
  writer.end();
  const std::string bytes = writer.finish();
  const Pickle pickle = read_pickle(as_bytes(bytes), "p");
  const auto [a, inner, b, list] = pickle.graph.children<4>(pickle.root);
  CHECK(pickle.graph[a].text == "a");
  CHECK(pickle.graph[inner].kind == PickleKind::dict);
  const auto [key, tuple] = pickle.graph.children<2>(inner);
  CHECK(pickle.graph[key].integer == 7);
  CHECK(pickle.graph[tuple].kind == PickleKind::tuple);
  CHECK(pickle.graph[b].text == "b");
  CHECK(pickle.graph[list].kind == PickleKind::list);
}

TEST_CASE("pickle writer: what was begun must be ended, once") {
  PickleWriter open;
  open.begin_list();
  expect_error(ErrorCode::contract, {"1 containers"}, [&] { static_cast<void>(open.finish()); });
  PickleWriter ended;
  expect_error(ErrorCode::contract, {"not begun"}, [&] { ended.end(); });
}

}  // namespace
