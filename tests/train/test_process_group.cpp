// SPDX-License-Identifier: MIT
// Several processes train to the bits of one. They are threads here, which carry the same bytes; mpirun is tried in
// tests/mpi.
#include <doctest/doctest.h>

#include <moeclip/train/trainer.hpp>

#include "temporary_folder.hpp"
#include "thread_group.hpp"
#include "tiny_model.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// What a process has when it is done: weights, moments, losses, and the gradient of its last step.
template <class T>
struct GroupResult {
  std::vector<T> numbers;
  std::vector<double> losses;
  std::vector<index_t> tokens;
  friend bool operator==(const GroupResult&, const GroupResult&) = default;
};

template <class T>
GroupResult<T> result_of(const Trainer<T>& trainer) {
  GroupResult<T> result;
  const auto add = [&](const Tensor<T>& tensor) {
    result.numbers.insert(result.numbers.end(), tensor.begin(), tensor.end());
  };
  visit_parameters(trainer.adapter(), "", [&](const std::string&, const Tensor<T>& tensor) { add(tensor); });
  for (const auto& [name, state] : trainer.adam().states()) add(state.m), add(state.v);
  for (const TrainedParameter<T>& parameter : trainer.parameters()) add(*parameter.gradient);
  return result;
}

/// Trains on seven pictures in batches of five, so that the last of an epoch has two.
template <class T>
GroupResult<T> train_in(ProcessGroup* group, const Clip<T>& clip, const Recipe& recipe, FitOptions fit = {.epochs = 2},
                        index_t stop_after = 1000) {
  TrainerOptions options{.batch = 5, .seed = 5, .image_size = 16, .threads = 1};
  options.group = group;
  Trainer<T> trainer(clip, recipe, options);
  const SampleSource source = tiny_model::make_source();
  trainer.set_classes(tiny_model::make_classes<T>(source.classes()));
  GroupResult<T> seen;
  trainer.fit(source, fit, [&](const StepReport& report) {
    const LossReport& loss = report.loss;
    for (const auto* list : {&loss.focal, &loss.dice_normal, &loss.dice_abnormal, &loss.etf, &loss.balance})
      seen.losses.insert(seen.losses.end(), list->begin(), list->end());
    for (const double value : {loss.total, loss.cross_entropy, report.gradient_norm, report.lr})
      seen.losses.push_back(value);
    for (const auto& counts : loss.expert_tokens) seen.tokens.insert(seen.tokens.end(), counts.begin(), counts.end());
    return report.step < stop_after;
  });
  GroupResult<T> result = result_of(trainer);
  result.losses = std::move(seen.losses);
  result.tokens = std::move(seen.tokens);
  return result;
}

/// Checks that each of `size` processes ends with `wanted`.
template <class T>
void check_group(int size, const Clip<T>& clip, const Recipe& recipe, const GroupResult<T>& wanted) {
  std::vector<GroupResult<T>> results(static_cast<std::size_t>(size));
  const std::vector<std::string> errors = thread_group::run(size, [&](ProcessGroup& group) {
    results[static_cast<std::size_t>(group.rank())] = train_in<T>(&group, clip, recipe);
  });
  for (std::size_t i = 0; i < errors.size(); ++i) {
    CAPTURE(size);
    CAPTURE(i);
    CHECK(errors[i] == "");
    CHECK((results[i] == wanted));
  }
}

}  // namespace

TEST_CASE("several processes have the bits of one") {
  const Clip<float> clip = tiny_model::make_clip<float>();
  Recipe without_fofs = Recipe::paper();
  without_fofs.use_fofs = false;
  for (const Recipe& recipe : {Recipe::released(), Recipe::moeclip(), without_fofs}) {
    const GroupResult<float> alone = train_in<float>(nullptr, clip, recipe);
    REQUIRE(!alone.losses.empty());
    for (const int size : {2, 3, 4}) check_group<float>(size, clip, recipe, alone);
  }
}

TEST_CASE("the same in double") {
  const Clip<double> clip = tiny_model::make_clip<double>();
  check_group<double>(3, clip, Recipe::moeclip(), train_in<double>(nullptr, clip, Recipe::moeclip()));
}

TEST_CASE("a share of a batch is as equal as it goes, and the shares are the batch") {
  for (int size = 1; size <= 5; ++size)
    for (index_t total = 1; total <= 9; ++total) {
      thread_group::Mail mail;
      index_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        thread_group::Member member(mail, rank, size);
        const BatchShare share{&member, total};
        CHECK(share.first() == next);
        CHECK(share.own() * size <= total + size);
        CHECK(share.held() == std::max<index_t>(1, share.own()));
        next += share.own();
      }
      CHECK(next == total);
    }
}

TEST_CASE("processes stop and resume together, and the first one writes") {
  const TemporaryFolder folder("group_resume");
  const Clip<float> clip = tiny_model::make_clip<float>();
  const auto options = [&](const char* name, bool is_resumed) {
    FitOptions fit{.epochs = 3};
    fit.checkpoint = join_path(folder.path(), name);
    fit.is_resumed = is_resumed;
    return fit;
  };
  const GroupResult<float> whole = train_in<float>(nullptr, clip, Recipe::moeclip(), options("whole", false));
  GroupResult<float> resumed;
  for (const int part : {0, 1}) {
    const auto errors = thread_group::run(3, [&](ProcessGroup& group) {
      // the others would go on for ever: the first one decides
      const index_t stop = part == 0 && group.rank() == 0 ? 3 : 1000;
      const auto result = train_in<float>(&group, clip, Recipe::moeclip(), options("parts", part == 1), stop);
      if (group.rank() == 2) resumed = result;
    });
    for (const std::string& error : errors) CHECK(error == "");
  }
  CHECK(resumed.numbers == whole.numbers);
  const auto file = [&](const char* name) {
    return read_file(join_path(options(name, true).checkpoint, kLastCheckpoint), 1 << 30);
  };
  CHECK(file("whole") == file("parts"));
}

TEST_CASE("what differs between processes is said by all of them") {
  const Clip<float> clip = tiny_model::make_clip<float>(), other = tiny_model::make_clip<float>(2);
  const auto errors_with = [&](auto&& change) {
    return thread_group::run(3, [&](ProcessGroup& group) {
      Recipe recipe = Recipe::moeclip();
      const Clip<float>* used = &clip;
      FitOptions fit{.epochs = 1};
      if (group.rank() == 1) change(recipe, used, fit);
      train_in<float>(&group, *used, recipe, fit);
    });
  };
  const auto check = [](const std::vector<std::string>& errors, std::string_view text) {
    CHECK(errors[0].find(text) != std::string::npos);
    CHECK(errors[0].find("process 1 has not what the first one has") != std::string::npos);
    CHECK(errors[1] == errors[0]);
    CHECK(errors[2] == errors[0]);
  };
  check(errors_with([](Recipe& recipe, auto&, auto&) { recipe.lr = 0.5; }), "lr: 5e-05 there, 0.5 here");
  check(errors_with([&](auto&, const Clip<float>*& used, auto&) { used = &other; }), "CLIP: ");
  check(errors_with([](auto&, auto&, FitOptions& fit) { fit.epochs = 2; }), "epochs: 1 there, 2 here");
}

TEST_CASE("a process that fails ends the others with an error") {
  const Clip<float> clip = tiny_model::make_clip<float>();
  const auto errors = thread_group::run(3, [&](ProcessGroup& group) {
    TrainerOptions options{.batch = 3, .seed = 5, .image_size = 16, .threads = 1};
    options.group = &group;
    Trainer<float> trainer(clip, Recipe::moeclip(), options);
    const SampleSource source = tiny_model::make_source();
    trainer.set_classes(tiny_model::make_classes<float>(source.classes()));
    trainer.fit(source, {.epochs = 5}, [&](const StepReport& report) {
      if (group.rank() == 1 && report.step == 2) fail(ErrorCode::limit, "no more");
    });
  });
  CHECK(errors[1] == "no more");
  CHECK(errors[0].find("is gone") != std::string::npos);  // which of the others, depends on who was first to wait
  CHECK(errors[2].find("is gone") != std::string::npos);
}
