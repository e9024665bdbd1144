// SPDX-License-Identifier: MIT
#include <moeclip/io/record.hpp>
#include <moeclip/io/sidecar.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <moeclip/io/torch/writer.hpp>
#include <moeclip/io/weights.hpp>
#include "expect_error.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace moeclip;

/// A checkpoint of one value, which `number` tells from others, with a record beside it unless that is null.
void write_recorded(const std::string& path, int number, const Json& record) {
  const std::vector<float> values = {1, 2};
  TorchWriter writer(path);
  PickleWriter& structure = writer.structure();
  structure.begin_dict();
  structure.text("number");
  structure.integer(number);
  structure.text("w");
  writer.tensor<float>({2}, values);
  structure.end();
  writer.commit([&](const std::string& hash) {
    if (!record.is_null()) write_sidecar(path, hash, record);
  });
}

TEST_CASE("sidecar: what lies beside a checkpoint is among its metadata") {
  const TemporaryFolder folder("sidecar");
  const std::string path = join_path(folder.path(), "a.pth"), sidecar = path + ".json";
  const Json record = Json::object().set("third", 1.0 / 3).set("list", Json::array({Json(1), Json("x")}));
  write_recorded(path, 1, record);
  CHECK(sidecar_path(path) == sidecar);
  CHECK(list_files(folder.path()) == std::vector<std::string>{path, sidecar});
  const WeightFile file = WeightFile::open(path);
  REQUIRE(file.metadata().size() == 1);
  CHECK(file.metadata()[0].first == kRecordKey);
  CHECK(parse_json(file.metadata()[0].second, "record") == record);
  CHECK(std::ranges::equal(file.read<float>("w").values(), std::vector<float>{1, 2}));
  CHECK(WeightFile::open(folder.path()).metadata().size() == 1);  // by the name of its folder, too

  const std::string alone = join_path(folder.path(), "b.pth");
  write_recorded(alone, 1, {});
  CHECK(WeightFile::open(alone).metadata().empty());
}

TEST_CASE("sidecar: that of other bytes is refused") {
  const TemporaryFolder folder("sidecar_stale");
  const std::string path = join_path(folder.path(), "a.pth");
  write_recorded(path, 1, Json::object().set("a", 1));
  write_recorded(path, 2, {});  // as the official code would, over ours
  expect_error(ErrorCode::mismatch, {path + ".json", "another file than a.pth", "SHA-256", "convert"},
               [&] { WeightFile::open(path); });
  write_recorded(path, 1, {});  // the same bytes again
  CHECK(WeightFile::open(path).metadata().size() == 1);
}

TEST_CASE("sidecar: damaged ones are told, those of others are none of ours") {
  const TemporaryFolder folder("sidecar_damaged");
  const std::string path = join_path(folder.path(), "a.pth");
  write_recorded(path, 1, {});
  const auto refused = [&](ErrorCode code, std::string_view text, std::string_view fact) {
    folder.write("a.pth.json", text);
    expect_error(code, {"a.pth.json", fact}, [&] { WeightFile::open(path); });
  };
  refused(ErrorCode::format, R"({"moeclip_sidecar": 1, "sha)", "a.pth.json");  // cut short
  refused(ErrorCode::unsupported, R"({"moeclip_sidecar": 2})", "version 2");
  refused(ErrorCode::format, R"({"moeclip_sidecar": 1, "sha256": "00"})", "record");
  refused(ErrorCode::format, R"({"moeclip_sidecar": 1, "sha256": 7, "record": {}})", "sha256");
  refused(ErrorCode::mismatch, R"({"moeclip_sidecar": 1, "sha256": "00", "record": {}})", "another file");
  folder.write("a.pth.json", R"({"architecture": "ViT"})");
  CHECK(WeightFile::open(path).metadata().empty());
}

TEST_CASE("sidecar: if it cannot be written, there is no checkpoint either") {
  const TemporaryFolder folder("sidecar_failed");
  const std::string path = join_path(folder.path(), "a.pth");
  create_directories(path + ".json");
  expect_error(ErrorCode::io, {"a.pth.json", "directory"},
               [&] { write_recorded(path, 1, Json::object().set("a", 1)); });
  CHECK_FALSE(file_exists(path));
  CHECK(list_files(folder.path()).empty());  // nothing unfinished is left
}

TEST_CASE("sidecar: a record of a later format is refused, whatever it is of") {
  const TemporaryFolder folder("sidecar");
  const std::string path = join_path(folder.path(), "a.pth");
  write_recorded(path, 1, Json::object().set("format", int{kRecordFormat}).set("x", 1));
  CHECK(detail::recorded(WeightFile::open(path)).at("x") == Json(1));
  const auto refuse = [&](const Json& version, ErrorCode code, std::string_view fact) {
    write_recorded(path, 1, Json::object().set("format", version).set("x", 1));
    expect_error(code, {path, "version " + dump_json(version), fact},
                 [&] { (void)detail::recorded(WeightFile::open(path)); });
  };
  refuse(kRecordFormat + 1, ErrorCode::unsupported, "newer than this program");
  refuse(0, ErrorCode::unsupported, "older than this program");
  refuse("one", ErrorCode::format, "no version");
  refuse({}, ErrorCode::format, "no version");
}

}  // namespace
