// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <moeclip/image/write_image.hpp>
#include <moeclip/train/trainer.hpp>
#include <thread>

#include "exif_picture.hpp"
#include "expect_error.hpp"
#include "float_modes.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

using namespace moeclip;

namespace {

const Clip<float>& shared_clip() {
  static const Clip<float> clip = tiny_model::make_clip<float>();
  return clip;
}

TrainerOptions small(int threads = 1) { return {.batch = 2, .seed = 5, .image_size = 16, .threads = threads}; }

template <class T>
std::vector<T> weights_of(const Trainer<T>& trainer) {
  std::vector<T> all;
  visit_parameters(trainer.adapter(), "", [&](const std::string&, const Tensor<T>& tensor) {
    all.insert(all.end(), tensor.begin(), tensor.end());
  });
  return all;
}

/// Trains on seven pictures for `epochs`; the loss of every step.
std::vector<double> run(Trainer<float>& trainer, const FitOptions& options, index_t stop_after = 1000) {
  const SampleSource source = tiny_model::make_source();
  trainer.set_classes(tiny_model::make_classes<float>(source.classes()));
  std::vector<double> losses;
  trainer.fit(source, options, [&](const StepReport& report) {
    losses.push_back(report.loss.total);
    return std::ssize(losses) < stop_after;
  });
  return losses;
}

TEST_CASE_TEMPLATE("repeated steps on one batch learn it", T, float, double) {
  const Clip<T> clip = tiny_model::make_clip<T>();
  for (const char* name : {"released", "paper", "moeclip"}) {
    Recipe recipe = Recipe::named(name);
    recipe.lr = 1e-3;
    Trainer<T> trainer(clip, recipe, {.image_size = 16, .threads = 1});
    trainer.set_classes(tiny_model::make_classes<T>(std::vector<std::string>{"a", "b"}));
    const TrainingBatch<T> batch = tiny_model::make_batch<T>();
    const double first = trainer.step(batch).loss.total;
    double last = first;
    for (int i = 0; i < 30; ++i) last = trainer.step(batch).loss.total;
    CAPTURE(name);
    CHECK(last < 0.6 * first);
    CHECK(trainer.position().step == 31);
  }
}

TEST_CASE("the same bits for any number of threads, memory and pictures read in advance") {
  const auto train = [](const TrainerOptions& options, int ahead) {
    Trainer trainer(shared_clip(), Recipe::moeclip(), options);
    run(trainer, {.epochs = 2, .ahead = ahead});
    return weights_of(trainer);
  };
  const auto weights = train(small(1), 0);
  CHECK(train(small(2), 2) == weights);
  TrainerOptions frugal = small(2);
  frugal.memory_bytes = 1;
  CHECK(train(frugal, 5) == weights);
  TrainerOptions other = small(1);
  other.seed = 6;
  CHECK(train(other, 0) != weights);
}

TEST_CASE("a resumed run gives the bits of the whole one, wherever it stopped") {
  const TemporaryFolder folder("trainer_resume");
  const auto options = [&](const std::string& name, bool is_resumed) {
    FitOptions fit{.epochs = 3};
    fit.checkpoint = join_path(folder.path(), name);
    fit.is_resumed = is_resumed;
    return fit;
  };
  Trainer whole(shared_clip(), Recipe::moeclip(), small());
  const std::vector<double> losses = run(whole, options("whole", false));
  CHECK(losses.size() == 12);
  for (const index_t stop : {1, 4, 6}) {  // inside an epoch, at its end, inside the next
    const std::string name = concat("stopped_", stop);
    Trainer first(shared_clip(), Recipe::moeclip(), small(2));
    run(first, options(name, false), stop);
    CHECK(first.position().step == stop);
    Trainer second(shared_clip(), Recipe::moeclip(), small());
    const std::vector<double> rest = run(second, options(name, true));
    CHECK(std::equal(rest.begin(), rest.end(), losses.begin() + stop, losses.end()));
    CHECK(weights_of(second) == weights_of(whole));
    CHECK(read_file(join_path(options(name, true).checkpoint, "moe_last.safetensors"), 1 << 30) ==
          read_file(join_path(options("whole", true).checkpoint, "moe_last.safetensors"), 1 << 30));
  }
}

TEST_CASE("the schedule goes on or starts again, as the recipe says") {
  const TemporaryFolder folder("trainer_schedule");
  for (const bool keeps : {true, false}) {
    Recipe recipe = Recipe::released();
    recipe.milestones = {4};
    recipe.keeps_schedule = keeps;
    const std::string path = join_path(folder.path(), "a.safetensors");
    Trainer first(shared_clip(), recipe, small());
    run(first, {.epochs = 1});
    first.save(path, "data");
    Trainer second(shared_clip(), recipe, small());
    second.resume(path, "data");
    second.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"a", "b"}));
    CHECK(second.step(tiny_model::make_batch<float>()).lr == (keeps ? 2.5e-5 : 5e-5));
    expect_error(ErrorCode::mismatch, {"other data"}, [&] { second.resume(path, "else"); });
  }
}

TEST_CASE("checkpoints come when they are due") {
  const TemporaryFolder folder("trainer_due");
  Trainer trainer(shared_clip(), Recipe::released(), small());
  FitOptions options{.epochs = 2, .checkpoint = folder.path(), .checkpoint_steps = 3, .checkpoint_seconds = 0};
  const SampleSource source = tiny_model::make_source();
  trainer.set_classes(tiny_model::make_classes<float>(source.classes()));
  std::string seen;
  trainer.fit(source, options, [&](const StepReport& report) {
    const std::string last = join_path(folder.path(), kLastCheckpoint);
    seen += concat(report.step, ":", file_exists(last) ? read_record(WeightFile::open(last)).position.step : 0, " ");
  });
  CHECK(seen == "1:0 2:0 3:0 4:3 5:4 6:4 7:6 8:6 ");
  CHECK(list_files(folder.path()).size() == 3);
}

TEST_CASE("reports say where the run is") {
  Trainer trainer(shared_clip(), Recipe::paper(), small());
  const SampleSource source = tiny_model::make_source(3);
  trainer.set_classes(tiny_model::make_classes<float>(source.classes()));
  index_t steps = 0;
  CHECK(trainer.fit(source, {.epochs = 2}, [&](const StepReport& report) {
    ++steps;
    CHECK(report.step == steps);
    CHECK(report.epoch == (steps + 1) / 2);
    CHECK(report.epochs == 2);
    CHECK(report.batch == (steps - 1) % 2 + 1);
    CHECK(report.batches == 2);
    CHECK(report.pictures.size() == (report.batch == 1 ? 2u : 1u));
    CHECK(report.gradient_norm > 0);
    CHECK(report.images_per_second > 0);
    CHECK((report.seconds_left == 0) == (steps == 4));
  }));
  CHECK(steps == 4);
  CHECK(trainer.fit(source, {.epochs = 2}));  // there is nothing left to do
}

TEST_CASE("a loss that is no number changes nothing and names the pictures") {
  const float kNaN = std::numeric_limits<float>::quiet_NaN();
  Trainer trainer(shared_clip(), Recipe::moeclip(), small());
  trainer.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"a", "b"}));
  TrainingBatch<float> batch = tiny_model::make_batch<float>();
  trainer.step(batch);
  const auto before = weights_of(trainer);
  batch.images[100] = kNaN;
  const StepReport report = trainer.step(batch);
  CHECK_FALSE(report.is_finite);
  CHECK(trainer.position().step == 1);
  CHECK(weights_of(trainer) == before);
  CHECK(trainer.adam().states().begin()->second.step == 1);

  VisionTower<float> vision = tiny_model::make_vision<float>();
  vision.ln_post.gamma.fill(kNaN);
  const Clip<float> broken(tiny_model::config(), std::move(vision), TextTower<float>());
  Trainer fitted(broken, Recipe::moeclip(), small());
  const SampleSource source = tiny_model::make_source();
  fitted.set_classes(tiny_model::make_classes<float>(source.classes()));
  expect_error(ErrorCode::limit, {"step 1", "the step was not made", source.load(0).path.substr(0, 5)},
               [&] { fitted.fit(source); });
}

TEST_CASE("long gradients are clipped to the limit, all by one factor") {
  Recipe recipe = Recipe::moeclip();
  recipe.clip_norm = 0.125;
  Trainer trainer(shared_clip(), recipe, small());
  trainer.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"a", "b"}));
  const StepReport report = trainer.step(tiny_model::make_batch<float>());
  CHECK(report.gradient_norm > 0.125);
  CHECK(gradient_norm<float>(trainer.parameters()) == doctest::Approx(0.125));
}

TEST_CASE("weights and moments of another adapter to start from") {
  const TemporaryFolder folder("trainer_start");
  const std::string path = join_path(folder.path(), "a.safetensors");
  Trainer first(shared_clip(), Recipe::moeclip(), small());
  run(first, {.epochs = 1});
  first.save(path, "data");
  Trainer second(shared_clip(), Recipe::released(), small());
  second.start_from(path);
  CHECK(weights_of(second) == weights_of(first));
  CHECK(second.position().step == 0);
  CHECK(second.adam().states().size() == first.adam().states().size());
  Recipe other = Recipe::released();
  other.rank = 4;
  Trainer third(shared_clip(), other, small());
  expect_error(ErrorCode::mismatch, {path, "lora_A.weight", "(4,64)"}, [&] { third.start_from(path); });
}

TEST_CASE("a checkpoint says which files its adapter has seen, in this run and before") {
  const TemporaryFolder folder("trainer_seen");
  const auto picture = [&](const std::string& name, std::uint8_t shade) {
    Image image(16, 16, 3);
    std::fill_n(image.data(), image.size(), shade);
    const std::string path = join_path(folder.path(), name);
    write_png(path, image);
    return DatasetEntry{path, 0, "nut", ""};
  };
  const DatasetEntry a = picture("a.png", 1), b = picture("b.png", 2), c = picture("c.png", 3);
  const auto train = [&](const std::string& start, const std::string& out, std::vector<DatasetEntry> entries) {
    Trainer trainer(shared_clip(), Recipe::moeclip(), small());
    if (!start.empty()) trainer.start_from(start);
    trainer.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"nut"}));
    trainer.fit(std::move(entries), {.epochs = 1, .checkpoint = out}, [](const StepReport&) {});
    return join_path(out, kLastCheckpoint);
  };
  const std::string first = train("", join_path(folder.path(), "first"), {a, b});
  const auto seen = trained_on(WeightFile::open(first));
  REQUIRE(seen.has_value());
  CHECK(seen->hashes.size() == 2);
  CHECK(seen->has_picture(picture_hash(b.image_path)));
  CHECK(seen->classes == std::vector<std::string>{"nut"});
  const std::string second = train(first, join_path(folder.path(), "second"), {c});
  CHECK(trained_on(WeightFile::open(second))->hashes.size() == 3);
  Trainer drawn(shared_clip(), Recipe::moeclip(), small());
  run(drawn, {.epochs = 1, .checkpoint = join_path(folder.path(), "drawn")});
  CHECK_FALSE(trained_on(WeightFile::open(join_path(folder.path(), "drawn/moe_last.safetensors"))).has_value());
}

TEST_CASE("pictures are read as the options say, and a resumed run reads them so too") {
  const TemporaryFolder folder("trainer_images");
  Image upright(16, 12, 3);
  for (index_t i = 0; i < upright.size(); ++i) upright.data()[i] = static_cast<std::uint8_t>(i * 5);
  const std::string plain = join_path(folder.path(), "p.png"), turned = join_path(folder.path(), "t.png");
  write_png(plain, upright);
  write_oriented_png(turned, apply_orientation(Image(upright), 8), 6);
  const auto train = [&](const std::string& picture, const ImageOptions& images, index_t epochs) {
    TrainerOptions options = small();
    options.images = images;
    Trainer trainer(shared_clip(), Recipe::moeclip(), options);
    trainer.set_classes(tiny_model::make_classes<float>(std::vector<std::string>{"nut"}));
    trainer.fit({DatasetEntry{picture, 0, "nut", ""}},
                {.epochs = epochs, .checkpoint = picture + ".run", .is_resumed = true}, [](const StepReport&) {});
    return weights_of(trainer);
  };
  const ImageOptions exif{.apply_exif_orientation = true};
  const auto expected = train(plain, {}, 1);
  CHECK(train(turned, exif, 1) == expected);
  const std::string last = join_path(turned + ".run", kLastCheckpoint);
  CHECK(read_record(WeightFile::open(last)).identity.images == exif);
  CHECK(train(turned, exif, 2) == train(plain, {}, 2));
  expect_error(ErrorCode::mismatch, {last, "turned upright by EXIF", "not as they are stored"},
               [&] { train(turned, {}, 3); });
}

TEST_CASE("a list of files is a data set too; one that is missing is named") {
  const TemporaryFolder folder("trainer_list");
  const std::string list = folder.write("a.jsonl", R"({"image_path": "none.png", "label": 0, "class_name": "nut"})");
  Trainer trainer(shared_clip(), Recipe::moeclip(), small());
  expect_error(ErrorCode::io, {"none.png"}, [&] { trainer.fit(read_dataset(list), {}, [](const StepReport&) {}); });
}

TEST_CASE("options that make no sense") {
  expect_error(ErrorCode::contract, {"17", "patch size 4"},
               [] { Trainer(shared_clip(), Recipe::moeclip(), {.image_size = 17}); });
  expect_error(ErrorCode::contract, {"batch"}, [] { Trainer(shared_clip(), Recipe::moeclip(), {.batch = 0}); });
  Trainer trainer(shared_clip(), Recipe::moeclip(), small());
  expect_error(ErrorCode::contract, {"class 0", "0"}, [&] { trainer.step(tiny_model::make_batch<float>()); });
}

}  // namespace

TEST_CASE("the caller's rounding and flushing change no training and come back as they were") {
  std::vector<float> expected;
  for (const FloatMode mode : float_modes()) {
    CAPTURE(mode);
    const SampleSource source = tiny_model::make_source();
    Trainer trainer(shared_clip(), Recipe::moeclip(), small(2));
    trainer.set_classes(tiny_model::make_classes<float>(source.classes()));
    {
      const FloatScope caller(mode);
      trainer.fit(source, {.epochs = 1});
      CHECK(float_mode() == mode);
    }
    if (expected.empty()) expected = weights_of(trainer);
    CHECK(weights_of(trainer) == expected);
  }
}

TEST_CASE("another thread may save a run at any time, and what it saves goes on to the same bits") {
  const TemporaryFolder folder("trainer_saved_aside");
  const std::string path = join_path(folder.path(), "aside.safetensors");
  const SampleSource source = tiny_model::make_source();
  const auto classes = tiny_model::make_classes<float>(source.classes());
  Trainer trainer(shared_clip(), Recipe::moeclip(), small(16));
  trainer.set_classes(classes);
  const std::string data = trainer.fingerprint(source);
  static_cast<void>(trainer.record(data));
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    while (!is_over) trainer.save(path, data);
  });
  trainer.fit(source, {.epochs = 2}, [&](const StepReport& report) {
    if (report.step == 5) is_over = true;
  });
  is_over = true;
  other.join();
  Trainer resumed(shared_clip(), Recipe::moeclip(), small(2));
  resumed.set_classes(classes);
  resumed.resume(path, data);
  resumed.fit(source, {.epochs = 2});
  CHECK(weights_of(resumed) == weights_of(trainer));
}
