// SPDX-License-Identifier: MIT
// The other half of the check, torch.load on such a file, is tests/tool/test_convert.py.
#include <moeclip/io/torch/writer.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include <moeclip/io/weights.hpp>
#include "expect_error.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace moeclip;

TEST_CASE("torch writer: tensors and values are read again") {
  const TemporaryFolder folder("torch_writer");
  const std::string path = join_path(folder.path(), "a.pth");
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  const std::vector<double> numbers = {0.1, -0.2};
  const std::vector<std::int64_t> scalar = {1'000'000'000'000};
  TorchWriter writer(path);
  PickleWriter& structure = writer.structure();
  structure.begin_dict();
  structure.text("epoch");
  structure.integer(3);
  structure.text("state");
  structure.begin_ordered_dict();
  structure.text("w");
  writer.tensor<float>({2, 3}, matrix);
  structure.integer(4);
  writer.tensor<double>({2}, numbers);
  structure.text("step");
  writer.tensor<std::int64_t>({}, scalar);
  structure.text("none");
  writer.tensor<float>({0, 4}, {});
  structure.end();
  structure.end();
  CHECK(list_files(folder.path()).empty());
  writer.commit();

  const WeightFile file = WeightFile::open(path);
  CHECK(file.kind() == WeightKind::torch_zip);
  REQUIRE(file.entries().size() == 4);
  CHECK(file.entry("state/w").shape == Shape{2, 3});
  CHECK(std::ranges::equal(file.read<float>("state/w").values(), matrix));
  CHECK(std::ranges::equal(file.read<double>("state/4").values(), numbers));
  CHECK(file.entry("state/step").shape == Shape{});
  CHECK(file.read<double>("state/step")[0] == 1e12);
  CHECK(file.entry("state/none").shape == Shape{0, 4});
  REQUIRE(file.values().size() == 1);
  CHECK(file.values()[0].name == "epoch");
  CHECK(file.values()[0].text == "3");
}

TEST_CASE("torch writer: the hash that is told before the file appears is the file's") {
  const TemporaryFolder folder("torch_writer_hash");
  const std::string path = join_path(folder.path(), "a.pth");
  const std::vector<float> values(100000, 0.5f);
  TorchWriter writer(path);
  writer.tensor<float>({100000}, values);
  std::string told;
  writer.commit([&](const std::string& hash) {
    CHECK_FALSE(file_exists(path));
    told = hash;
  });
  CHECK(told == sha256_hex(read_file(path, 1 << 20)));
}

TEST_CASE("torch writer: elements must fit their shape") {
  TorchWriter writer("unused.pth");
  expect_error(ErrorCode::contract, {"(2,2)", "3 elements"}, [&] {
    writer.tensor<float>({2, 2}, std::vector<float>{1, 2, 3});
  });
}

}  // namespace
