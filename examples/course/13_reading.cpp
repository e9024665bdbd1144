// SPDX-License-Identifier: MIT
// Lesson 13. Reading Grad-CAM and the experts. Why is this picture's score y what it is? With d the vector of the whole
// picture (lesson 11)
//
//   y = (max MAP-2 + (d . T_a + 1)/2)/2                                                     (SCR-1)
//
// Expert e, 0 to 3, answered A_e(i) = q_e(i) o_e(i) for patch i, a vector of D channels. How much does each channel
// matter to y, and where does the expert have much of it?
//
//   alpha_ec = mean over patches of dy/dA_ec(i),   CAM_e(i) = max(0, sum_c alpha_ec A_ec(i))      (CAM-1)
//
// m is the sum of the answers, so dy/dA_e = dy/dm where e was chosen, and 0 where it was not: one backward pass of the
// score, down to each mixture (SCR-1'), is enough for all experts.
//   13_reading [FOLDER]      where tiny.safetensors and tiny_adapter.safetensors are
//
// Output:
// Grad-CAM by the lesson and by the library: the same numbers
// after block 1, chosen by a share of 0.1 0.1 0.9 1.0, CAM on the defect 0.0 0.0 0.1 0.7
// after block 2, chosen by a share of 0.0 0.7 0.6 0.7, CAM on the defect 1.0 0.6 0.3 0.1
// after block 3, chosen by a share of 0.0 1.0 1.0 0.1, CAM on the defect 0.0 0.1 0.3 1.0
// after block 4, chosen by a share of 0.9 1.0 0.1 0.0, CAM on the defect 0.3 0.0 1.0 1.0
// gradient times answer, both experts of a patch together: nothing, at every patch

#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>
#include <vector>

#include "lesson.hpp"

/// What one backward pass tells about one mixture.
struct Reading {
  Tensor<float> cams;                 // (E, L)
  double largest = 0, worst_sum = 0;  // of A_e . dy/dA_e at a patch, and of the sum of both experts' there
};

/// A_e(i) = q_e (alpha/r) B A x of a token that chose expert e with weight q (EXP-1).
static std::vector<double> answer(const moeclip::Mixture<float>& mixture, index_t e, double q,
                                  std::span<const float> x) {
  const moeclip::Expert<float>& expert = mixture.experts[static_cast<std::size_t>(e)];
  std::vector<double> out(x.size(), 0.0);
  const index_t rank = expert.lora_a.extent(0);
  for (index_t r = 0; r < rank; ++r) {
    const double h = q * static_cast<double>(mixture.scale) * dot(row(expert.lora_a, r), x);
    for (std::size_t c = 0; c < out.size(); ++c)
      out[c] += h * static_cast<double>(expert.lora_b[static_cast<index_t>(c) * rank + r]);
  }
  return out;
}

/// CAM-1 from d_m (1 + L, D), the gradient of the score in the mixture's m. Token 0 is the class token, and no patch.
static Reading read(const moeclip::Mixture<float>& mixture, const moeclip::MixingSaved<float>& kept,
                    View<const float, 2> d_m) {
  const index_t patches = d_m.extent(0) - 1, width = d_m.extent(1), experts = mixture.expert_count();
  Reading reading;
  reading.cams = Tensor<float>({experts, patches});
  std::vector<double> sums(static_cast<std::size_t>(patches), 0.0);
  for (index_t e = 0; e < experts; ++e) {
    std::vector<std::vector<double>> answers(sums.size());  // empty where e was not chosen
    std::vector<double> alpha(static_cast<std::size_t>(width), 0.0);
    for (index_t i = 0; i < patches; ++i) {
      const std::span<const float> d(&d_m(1 + i, 0), alpha.size());
      for (index_t k = 0; k < mixture.chosen; ++k) {
        if (kept.chosen[(1 + i) * mixture.chosen + k] != e) continue;
        const double q = static_cast<double>(kept.weights[(1 + i) * mixture.chosen + k]);
        auto& a = answers[static_cast<std::size_t>(i)] = answer(mixture, e, q, row(kept.x, 1 + i));
        double here = 0;
        for (std::size_t c = 0; c < alpha.size(); ++c) {
          alpha[c] += static_cast<double>(d[c]) / static_cast<double>(patches);
          here += a[c] * static_cast<double>(d[c]);
        }
        reading.largest = std::max(reading.largest, std::abs(here));
        sums[static_cast<std::size_t>(i)] += here;
      }
    }
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (!answers[i].empty())
        reading.cams[e * patches + static_cast<index_t>(i)] =
            static_cast<float>(std::max(0.0, dot<double>(alpha, answers[i])));
  }
  for (const double sum : sums) reading.worst_sum = std::max(reading.worst_sum, std::abs(sum));
  return reading;
}

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "tools/moeclip/data";
  moeclip::DetectorOptions options;
  options.image_size = 128;
  const auto detector =
      moeclip::Detector::load(folder + "/tiny.safetensors", folder + "/tiny_adapter.safetensors", options);
  const auto anchors = detector.anchors("leather");
  Context context({.threads = 1});
  const auto sample = moeclip::synthesize({"leather", "burn", 5, 2, 128});

  // The library's look keeps a trace, from which the way back can be walked once more, with a listener of our own.
  moeclip::DetectionTrace<float> trace;
  const auto seen = moeclip::inspect<float>(context, detector, sample.picture.view(), anchors, {}, trace);
  double off = 0, largest = 0, worst_sum = 0;
  const auto listen = [&](std::size_t j, View<const float, 2> d_m) {
    const Reading reading = read(detector.adapter().mixtures[j], trace.features.mixtures[j], d_m);
    const Tensor<float>& cams = seen.blocks[j].cams;
    off =
        std::max(off, farthest(reading.cams, cams) / static_cast<double>(*std::max_element(cams.begin(), cams.end())));
    largest = std::max(largest, reading.largest), worst_sum = std::max(worst_sum, reading.worst_sum);
  };
  moeclip::backward_of_score<float>(context, detector, anchors, trace, listen);
  compare("Grad-CAM by the lesson and by the library", off, 1e-4);

  // Reading it: the share of patches that chose an expert, and the share of its CAM that lies on the defect, which is
  // drawn and known. Expert 3 after block 3 is asked by one patch in ten, and what it says raises the score on the burn
  // alone; what lowers the score, max(0, .) hides.
  const index_t patches = seen.grid * seen.grid, side = sample.mask.width() / seen.grid;
  const auto is_defect = [&](index_t i) {
    const index_t y = i / seen.grid * side + side / 2, x = i % seen.grid * side + side / 2;
    return sample.mask.data()[y * sample.mask.width() + x] != 0;
  };
  for (const auto& block : seen.blocks) {
    std::printf("after block %td, chosen by a share of", block.block);
    for (index_t e = 0; e < block.experts(); ++e) {
      double share = 0;
      for (index_t i = 0; i < patches; ++i)
        share += block.weight(1 + i, e) > 0 ? 1.0 / static_cast<double>(patches) : 0;
      std::printf(" %.1f", share);
    }
    std::printf(", CAM on the defect");
    for (index_t e = 0; e < block.experts(); ++e) {
      double inside = 0, all = 0;
      for (index_t i = 0; i < patches; ++i) {
        const auto cam = static_cast<double>(block.cams[e * patches + i]);
        all += cam, inside += is_defect(i) ? cam : 0;
      }
      std::printf(" %.1f", all > 0 ? inside / all : 0);
    }
    std::printf("\n");
  }

  // The surprise: the obvious reading, gradient times answer at each patch, says nothing. Norm matching keeps the
  // direction of m alone, so m . dy/dm = 0, and of a patch's two experts one always counts for what the other counts
  // against. The mean over patches in alpha, which looks like a loss of detail, makes CAM-1 readable.
  std::printf("gradient times answer, both experts of a patch together: %s\n",
              worst_sum < 1e-4 * largest ? "nothing, at every patch" : "something");
} catch (const moeclip::Error& error) {
  return complain(error);
}

// Exercise 1. Cover the defect: paint the picture's mean colour over its mask and detect again. By how much does the
//   score fall? Paint the same area over elsewhere. Does Grad-CAM, summed over a block's experts, predict that?
// Exercise 2. Compare the experts' answers (COS-1; `cosines` of a block, and its `etf_loss`) with lesson 10's -1/3. Are
//   these experts as different as four directions can be?
