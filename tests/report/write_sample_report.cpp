// SPDX-License-Identifier: MIT
// Writes a report that looks like a true one, for the eyes and for the test in a browser: synthetic pictures, scores
// and maps that no model made, and names that try to break out of the page.
//   write_sample_report OUT.html [PICTURES PER CLASS]
#include <cstdio>
#include <cstdlib>
#include <moeclip/base/rng.hpp>
#include <moeclip/image/blur.hpp>
#include <moeclip/image/colormap.hpp>
#include <moeclip/image/draw.hpp>
#include <moeclip/report/report.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <moeclip/tensor/tensor.hpp>

using namespace moeclip;  // NOLINT

namespace {

constexpr index_t kSide = 192;

/// What a fair detector might say: the mask, blurred and dimmed, on slow noise.
Tensor<float> fake_map(const Sample& sample, const Rng& rng, index_t picture) {
  Tensor<float> map({kSide, kSide});
  const auto strength = static_cast<float>(0.2 + 0.75 * rng.unit(picture));
  for (index_t i = 0; i < kSide * kSide; ++i)
    map.data()[i] = static_cast<float>(rng.unit(1000 + picture * kSide * kSide + i)) * 1.6f - 0.45f;
  const GaussianBlur noise{31, 8}, edge{15, 4};
  std::vector<float> scratch(static_cast<std::size_t>(gaussian_blur_scratch(noise, kSide, kSide)));
  gaussian_blur<float>(noise, map.view<2>(), map.view<2>(), scratch.data());
  Tensor<float> mask({kSide, kSide});
  for (index_t i = 0; i < kSide * kSide; ++i)
    mask.data()[i] = !sample.mask.empty() && sample.mask.data()[i] != 0 ? strength : 0.0f;
  gaussian_blur<float>(edge, mask.view<2>(), mask.view<2>(), scratch.data());
  for (index_t i = 0; i < kSide * kSide; ++i)
    map.data()[i] = std::clamp(map.data()[i] + mask.data()[i], 0.001f, 0.999f);
  return map;
}

Image over_picture(const Image& picture, View<const float, 2> map) {
  Image shown = picture;
  blend(shown, colorize<float>(map, 0, 1, kEmber), 0.55);
  return shown;
}

/// Which of four experts a patch goes to, as flat colours.
Image fake_experts(const Rng& rng, index_t picture) {
  constexpr Rgb kColors[] = {{0, 114, 178}, {230, 159, 0}, {0, 158, 115}, {204, 121, 167}};
  Image image(kSide, kSide, 3);
  for (index_t y = 0; y < kSide; ++y)
    for (index_t x = 0; x < kSide; ++x) {
      const double wave = std::sin(static_cast<double>(x / 12) * 0.7 + static_cast<double>(picture)) +
                          std::cos(static_cast<double>(y / 12) * 0.9) + rng.unit(x / 12 * 99 + y / 12);
      const Rgb color = kColors[static_cast<std::size_t>(std::clamp(wave + 1.5, 0.0, 3.0))];
      std::uint8_t* pixel = image.row(y) + x * 3;
      pixel[0] = color.red, pixel[1] = color.green, pixel[2] = color.blue;
    }
  return image;
}

/// A picture of several, as explanations are.
Image side_by_side(const Image& left, const Image& right) {
  Image both(3 * kSide, kSide, 3);
  both.fill(24);
  paste(both, left.view(), 8, 0);
  paste(both, right.view(), 2 * kSide - 8, 0);
  return both;
}

Image fake_similarity() {
  Tensor<float> map({240, 240});
  for (index_t y = 0; y < 240; ++y)
    for (index_t x = 0; x < 240; ++x)
      map.data()[y * 240 + x] = x / 60 == y / 60 ? 1.0f : 0.3f + 0.04f * static_cast<float>((x / 60 + y / 60) % 4);
  return colorize<float>(map.view<2>(), 0, 1, kEmber);
}

std::string path_of(const Sample& sample, std::string_view category, index_t i) {
  if (i == 1) return concat(category, "/<script>alert(1)</script>\"'&.png");
  if (i == 2)
    return concat(category,
                  "/Pr\xC3\xBC"
                  "fst\xC3\xBC"
                  "ck-",
                  "\xff\xfe", "-kaputt.png");
  return concat("data/synthetic/", category, "/test/", sample.label != 0 ? sample.defect : "good", "/", i / 100,
                i / 10 % 10, i % 10, ".png");
}

struct ClassTables {
  ScoreTable images{{.is_exact = true}}, pixels;
  index_t pictures = 0, defective = 0;
};

ReportPicture sample_picture(Context& context, std::string_view category, index_t i, const Rng& rng,
                             ClassTables& tables) {
  const auto defects = synthetic_defects(category);
  const bool is_good = i % 3 == 0;
  const std::string defect(is_good ? "" : defects[static_cast<std::size_t>(i) % defects.size()]);
  const Sample sample = synthesize({std::string(category), defect, 7, i, kSide, 1});
  const Tensor<float> map = fake_map(sample, rng, i);
  const double evidence = is_good ? 0.22 : 0.58;
  const auto score = static_cast<float>(std::clamp(evidence + 0.55 * (rng.unit(2 * i) - 0.5), 0.0, 1.0));
  tables.images.add_image(score, !is_good);
  tables.pixels.add_map(context, map.view<2>(), is_good ? ImageView{} : sample.mask.view());
  ++tables.pictures;
  if (!is_good) ++tables.defective;

  ReportPicture picture{path_of(sample, category, i),
                        std::string(category),
                        !is_good,
                        static_cast<double>(score),
                        score >= 0.4f,
                        0.05 + 0.02 * rng.unit(3 * i),
                        {},
                        {},
                        0};
  picture.figures.push_back({"Input", concat("The picture of ", category, " as it came."), sample.picture});
  if (!is_good) picture.figures.push_back({"Truth", concat("Where the ", defect, " is: white."), sample.mask});
  picture.cover = picture.figures.size();
  picture.figures.push_back({"Anomaly map", "The picture with the anomaly map over it; bright where it is suspicious.",
                             over_picture(sample.picture, map.view<2>())});
  picture.figures.push_back(
      {"Experts, block 6", "Which expert each patch goes to first after block 6.", fake_experts(rng, i)});
  picture.figures.push_back({"Experts after block 12", "Left: which expert each patch goes to first. Right: the map.",
                             side_by_side(fake_experts(rng, i + 7), over_picture(sample.picture, map.view<2>()))});
  if (score >= 0.4f)
    picture.sentences = {
        concat("The upper left looks like a ", is_good ? "stain" : defect,
               " (margin 0.031 over normal); expert 2 carried it there: 61 % of the weight against 24 % elsewhere.")};
  else
    picture.sentences = {"Not certain: no region stands out from the noise."};
  return picture;
}

ReportClass sample_class(std::string_view name, ClassTables& tables) {
  ReportClass shown;
  shown.result = {
      std::string(name), tables.pictures, tables.defective, 0, tables.images.metrics(), tables.pixels.metrics(), {}};
  shown.image = curves_of(tables.images);
  shown.pixel = curves_of(tables.pixels);
  shown.scores = histogram_of(tables.images);
  return shown;
}

Report sample_report(index_t per_class) {
  Report report;
  report.title = "Synthetic benchmark, released weights";
  report.threshold = 0.4;
  Context context({.threads = 1});
  const auto categories = synthetic_categories().first(7);
  index_t seed = 0;
  for (const std::string_view category : categories) {
    ClassTables tables;
    const Rng rng(static_cast<std::uint64_t>(++seed), category);
    for (index_t i = 0; i < per_class; ++i)
      report.pictures.push_back(sample_picture(context, category, i, rng, tables));
    report.classes.push_back(sample_class(category, tables));
  }
  ClassTables good;  // whose metrics do not exist
  for (const float score : {0.1f, 0.2f, 0.3f}) good.images.add_image(score, false);
  good.pictures = 3;
  report.classes.push_back(sample_class("only good <b>parts</b>", good));
  std::vector<ClassResult> rows;
  for (const ReportClass& one : report.classes) rows.push_back(one.result);
  report.mean = mean_of(rows);
  report.pictures.push_back({"elsewhere/without/figures.png", "unknown", std::nullopt, 0.71, true, 0.05, {}, {}, 0});
  report.summary = concat("At a threshold of 0.400 the detector finds most of the defects in ", report.pictures.size(),
                          " pictures of ", categories.size(), " classes; it ranks pictures with an AUROC of ",
                          fixed(report.mean.image.auroc.value * 100, 1), " % and pixels with one of ",
                          fixed(report.mean.pixel.auroc.value * 100, 1), " %.");
  report.sections.push_back(
      {"Experts",
       "How much of the routing weight each expert carries, and how alike their outputs are.",
       {{"Similarity of experts, block 6", "Four by four squares; those off the diagonal are dark.", fake_similarity()},
        {"Similarity of experts, block 12", "Four by four squares; those off the diagonal are dark.",
         fake_similarity()}},
       {{"Load of the experts",
         "share of the routing weight, in percent",
         {"Block", "Expert 1", "Expert 2", "Expert 3", "Expert 4"},
         {{"6", "24.1", "26.0", "25.3", "24.6"},
          {"12", "31.7", "19.9", "22.0", "26.4"},
          {"18", "25.0", "25.2", "24.8", "25.0"},
          {"24", "9.8", "41.2", "28.3", "20.7"}}}}});
  report.sections.push_back({"Ablations",
                             "What the parts of the method are worth on this set.",
                             {},
                             {{"Mean over classes",
                               "in percent",
                               {"Recipe", "Image AUROC", "Pixel AUROC", "AUPRO"},
                               {{"full", "93.1", "95.2", "88.0"},
                                {"without FOFS", "92.4", "94.9", "87.1"},
                                {"one expert", "90.7", "94.0", "84.4"}}}}});
  report.sections.push_back({"Training", "Each step is a point.", {}, {}, {{"Losses", "of every step", "step", {}}}});
  for (const char* name : {"total", "class", "focal", "dice", "ETF", "balance"}) {
    ReportLine& line = report.sections.back().charts.front().lines.emplace_back();
    line.name = name;
    for (int i = 1; i <= 60; ++i)
      line.points.push_back(
          {1.0 * i, (7.0 - static_cast<double>(line.name.size())) / (1 + 0.1 * i) + 0.02 * (i * 7 % 5)});
  }
  report.provenance = {{"command", "moeclip eval data/synthetic --weights tiny --report out.html"},
                       {"version", "0.1.0"},
                       {"weights (SHA-256)", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
                       {"instruction set", "avx512"},
                       {"time", "12.3 s, 61 ms a picture"},
                       {"peak memory", "412 MiB"}};
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: write_sample_report OUT.html [PICTURES PER CLASS]\n", stderr);
    return 2;
  }
  const index_t per_class = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 12;
  write_report(argv[1], sample_report(per_class));
}
