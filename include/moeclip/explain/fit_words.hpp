// SPDX-License-Identifier: MIT
#pragma once
// Fits a read-out of words on pictures of known defects (FIT-1 to FIT-3 in this folder's README): logistic regression,
// and from predictions for categories that were left out of it the temperature, the probability from which on names
// count as certain, and whether all of that is better than plain CLIP.

#include <span>
#include <string>
#include <vector>

#include "word_readout.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A picture that a read-out is fitted on.
struct WordExample {
  WordEvidence evidence;    ///< what there is to tell the word from
  index_t word = 0;         ///< 1 + its number among the words; 0 without defect
  std::string category;     ///< of the object: what is left out together
  bool is_flagged = false;  ///< the detector calls it defective; of others nothing is said to be certain
  bool is_judged = true;    ///< how sure names are is told from it; not from categories that CLIP was trained on, if
                            ///< there are others: it knows them better than what it will meet
};

/// How it is fitted; found by leaving out categories of the training (README).
struct WordFitOptions {
  double promise = 0.8;     ///< share of certain names that are to be right on categories that are left out
  double shrinkage = 0.01;  ///< lambda of FIT-1
  int steps = 60;           ///< of FIT-1
  index_t folds = 6;        ///< groups of categories, each left out once; pictures instead where there is one category
};

/// Fits a read-out of `words`. The record's hashes stay empty. Throws contract with fewer than two words, or
/// examples that do not fit together or of which none is judged; missing unless at least two of the words occur and
/// there are two examples for each fold.
WordReadout fit_words(std::span<const WordExample> examples, const std::vector<std::string>& words,
                      const WordFitOptions& options = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <cmath>
#include <utility>

#include "../base/float_scope.hpp"
#include "../base/lists.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Which examples a fit sees, and their features as numbers of mean 0 and variance 1, the constant 1 last.
struct WordDesign {
  index_t rows = 0, columns = 0;    // N, F + 1
  std::vector<double> mean, scale;  // (F)
  std::vector<double> values;       // (N, F + 1)
  std::vector<index_t> words;       // (N)
};

inline WordDesign word_design(std::span<const WordExample> examples, const std::vector<index_t>& chosen) {
  const index_t features = std::ssize(examples[0].evidence.features);
  WordDesign design{std::ssize(chosen), features + 1, {}, {}, {}, {}};
  design.mean.assign(static_cast<std::size_t>(features), 0);
  design.scale.assign(static_cast<std::size_t>(features), 0);
  const auto n = static_cast<double>(chosen.size());
  for (std::size_t f = 0; f < design.mean.size(); ++f) {
    double square = 0;
    for (const index_t i : chosen) design.mean[f] += examples[static_cast<std::size_t>(i)].evidence.features[f] / n;
    for (const index_t i : chosen) {
      const double value = examples[static_cast<std::size_t>(i)].evidence.features[f] - design.mean[f];
      square += value * value / n;
    }
    constexpr double kConstant = 1e-12;  // the variance of a feature that tells nothing
    design.scale[f] = square > kConstant ? 1 / std::sqrt(square) : 0;
  }
  for (const index_t i : chosen) {
    const WordExample& example = examples[static_cast<std::size_t>(i)];
    for (std::size_t f = 0; f < design.mean.size(); ++f)
      design.values.push_back((example.evidence.features[f] - design.mean[f]) * design.scale[f]);
    design.values.push_back(1);
    design.words.push_back(example.word);
  }
  return design;
}

/// Lower triangle L of A = X^T X / 2 N + lambda I, A = L L^T; in the place of A.
inline std::vector<double> cholesky_of(const WordDesign& x, double lambda) {
  const index_t n = x.columns;
  std::vector<double> a(static_cast<std::size_t>(n * n), 0);
  for (index_t r = 0; r < x.rows; ++r) {
    const double* row = x.values.data() + r * n;
    for (index_t i = 0; i < n; ++i) {
      const double factor = row[i] / (2 * static_cast<double>(x.rows));
      for (index_t j = 0; j <= i; ++j) a[static_cast<std::size_t>(i * n + j)] += factor * row[j];
    }
  }
  for (index_t i = 0; i < n; ++i) {
    a[static_cast<std::size_t>(i * n + i)] += lambda;
    for (index_t j = 0; j <= i; ++j) {
      double sum = a[static_cast<std::size_t>(i * n + j)];
      for (index_t k = 0; k < j; ++k)
        sum -= a[static_cast<std::size_t>(i * n + k)] * a[static_cast<std::size_t>(j * n + k)];
      a[static_cast<std::size_t>(i * n + j)] = i == j ? std::sqrt(sum) : sum / a[static_cast<std::size_t>(j * n + j)];
    }
  }
  return a;
}

/// Overwrites b (n) by the solution of L L^T x = b.
inline void solve_cholesky(const std::vector<double>& l, double* b, index_t n) {
  for (index_t i = 0; i < n; ++i) {
    for (index_t k = 0; k < i; ++k) b[i] -= l[static_cast<std::size_t>(i * n + k)] * b[k];
    b[i] /= l[static_cast<std::size_t>(i * n + i)];
  }
  for (index_t i = n - 1; i >= 0; --i) {
    b[i] /= l[static_cast<std::size_t>(i * n + i)];
    for (index_t k = 0; k < i; ++k) b[k] -= l[static_cast<std::size_t>(i * n + k)] * b[i];
  }
}

/// Gradient (1 + W, F + 1) of FIT-1's loss at `weights`.
inline std::vector<double> word_gradient(const WordDesign& x, const std::vector<double>& weights, index_t classes,
                                         double lambda) {
  std::vector<double> gradient(weights), logits(static_cast<std::size_t>(classes));
  for (double& value : gradient) value *= lambda;
  for (index_t r = 0; r < x.rows; ++r) {
    const double* row = x.values.data() + r * x.columns;
    for (index_t k = 0; k < classes; ++k) {
      double sum = 0;
      for (index_t f = 0; f < x.columns; ++f) sum += weights[static_cast<std::size_t>(k * x.columns + f)] * row[f];
      logits[static_cast<std::size_t>(k)] = sum;
    }
    softmax(logits, 1);
    for (index_t k = 0; k < classes; ++k) {
      const double wrong = logits[static_cast<std::size_t>(k)] - (x.words[static_cast<std::size_t>(r)] == k ? 1 : 0);
      const double factor = wrong / static_cast<double>(x.rows);
      double* out = gradient.data() + k * x.columns;
      for (index_t f = 0; f < x.columns; ++f) out[f] += factor * row[f];
    }
  }
  return gradient;
}

/// FIT-1 on some of the examples: weights (1 + W, F + 1) for features as they come.
inline Tensor<float> fit_logistic(std::span<const WordExample> examples, const std::vector<index_t>& chosen,
                                  index_t classes, const WordFitOptions& options) {
  const WordDesign x = word_design(examples, chosen);
  const std::vector<double> factor = cholesky_of(x, options.shrinkage);
  const auto size = static_cast<std::size_t>(classes * x.columns);
  std::vector<double> weights(size, 0), ahead(size, 0);
  double momentum = 1;
  for (int step = 0; step < options.steps; ++step) {
    std::vector<double> change = word_gradient(x, ahead, classes, options.shrinkage);
    for (index_t k = 0; k < classes; ++k) solve_cholesky(factor, change.data() + k * x.columns, x.columns);
    const double next = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2, carry = (momentum - 1) / next;
    for (std::size_t i = 0; i < size; ++i) {
      const double moved = ahead[i] - change[i];
      ahead[i] = moved + carry * (moved - weights[i]);
      weights[i] = moved;
    }
    momentum = next;
  }
  Tensor<float> result({classes, x.columns});
  for (index_t k = 0; k < classes; ++k) {
    double constant = weights[static_cast<std::size_t>((k + 1) * x.columns - 1)];
    for (index_t f = 0; f + 1 < x.columns; ++f) {
      const double weight = weights[static_cast<std::size_t>(k * x.columns + f)] * x.scale[static_cast<std::size_t>(f)];
      result[k * x.columns + f] = static_cast<float>(weight);
      constant -= weight * x.mean[static_cast<std::size_t>(f)];
    }
    result[(k + 1) * x.columns - 1] = static_cast<float>(constant);
  }
  return result;
}

/// What was said of an example that is judged by a fit that had not seen its category.
struct LeftOut {
  const WordExample* example = nullptr;
  std::vector<double> logits;  // (1 + W)
  double probability = 0;      // of the word that was named
  bool is_right = false;
  std::size_t category = 0;  // number of it
};

/// The fold of each example.
inline std::vector<index_t> word_folds(std::span<const WordExample> examples,
                                       const std::vector<std::string>& categories, index_t folds) {
  std::vector<index_t> result;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto at = std::lower_bound(categories.begin(), categories.end(), examples[i].category) - categories.begin();
    result.push_back((categories.size() > 1 ? static_cast<index_t>(at) : static_cast<index_t>(i)) % folds);
  }
  return result;
}

/// The word of the highest logit; "no defect" is none.
inline index_t named_word(const std::vector<double>& logits) {
  return std::max_element(logits.begin() + 1, logits.end()) - logits.begin();
}

/// FIT-2: the temperature of the least mean of -log p(truth), by golden section over its logarithm.
inline double fit_temperature(const std::vector<LeftOut>& left_out) {
  const auto loss = [&](double log_temperature) {
    double sum = 0;
    for (const LeftOut& answer : left_out) {
      std::vector<double> p = answer.logits;
      softmax(p, std::exp(log_temperature));
      sum -= std::log((std::max)(1e-12, p[static_cast<std::size_t>(answer.example->word)]));
    }
    return sum;
  };
  constexpr double kGolden = 0.6180339887498949;
  constexpr int kSteps = 40;  // to a millionth
  double low = std::log(1e-3), high = std::log(1e2);
  for (int step = 0; step < kSteps; ++step) {
    const double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
    (loss(left) < loss(right) ? high : low) = loss(left) < loss(right) ? right : left;
  }
  return std::exp((low + high) / 2);
}

/// FIT-3: fills threshold, certain and certain_right.
inline void fit_threshold(std::vector<LeftOut> answers, std::size_t categories, WordReadout& readout) {
  constexpr double kOneSided = 1.644854;  // 95 % of a normal distribution lie below
  constexpr index_t kFewest = 20;         // answers that say something about a rate
  std::erase_if(answers, [](const LeftOut& answer) { return !answer.example->is_flagged; });
  lists::sort(answers, [](const LeftOut& a, const LeftOut& b) { return a.probability > b.probability; });
  std::vector<double> count(categories, 0), right(categories, 0);
  double n = 0, k = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    n += 1, count[answers[i].category] += 1;
    if (answers[i].is_right) k += 1, right[answers[i].category] += 1;
    const bool is_tied = i + 1 < answers.size() && answers[i + 1].probability == answers[i].probability;
    if (is_tied || n < static_cast<double>(kFewest)) continue;
    const double rate = k / n;
    double variance = rate * (1 - rate) / n;
    if (categories > 1) {
      double sum = 0;
      for (std::size_t c = 0; c < categories; ++c) sum += (right[c] - rate * count[c]) * (right[c] - rate * count[c]);
      const auto of = static_cast<double>(categories);
      variance = (std::max)(variance, sum / (n * n) * of / (of - 1));
    }
    if (rate - kOneSided * std::sqrt(variance) < readout.record.promise) continue;
    readout.threshold = answers[i].probability;
    readout.record.certain = static_cast<index_t>(n);
    readout.record.certain_right = static_cast<index_t>(k);
  }
}

inline void expect_word_examples(std::span<const WordExample> examples, const std::vector<std::string>& words,
                                 const WordFitOptions& options) {
  MOECLIP_EXPECT(words.size() >= 2 && options.folds >= 2 && options.steps >= 1 && options.shrinkage > 0,
                 "a read-out is fitted for at least two words, with at least two folds, a step and some shrinkage");
  std::vector<index_t> seen;
  index_t judged = 0;
  for (const WordExample& example : examples) {
    MOECLIP_EXPECT(example.word >= 0 && example.word <= std::ssize(words) &&
                       example.evidence.features.size() == examples[0].evidence.features.size() &&
                       example.evidence.cosines.size() == words.size() + 1,
                   "examples of a fit are of one CLIP and of the words of the fit");
    if (example.word > 0) seen.push_back(example.word);
    judged += example.is_judged ? 1 : 0;
  }
  lists::sort(seen);
  const auto kinds = std::unique(seen.begin(), seen.end()) - seen.begin();
  if (kinds < 2 || std::ssize(examples) < 2 * options.folds)
    fail(ErrorCode::missing, concat("names are fitted on pictures of at least two kinds of defects, ",
                                    2 * options.folds, " in all; there are ", examples.size(), " of ", kinds));
  MOECLIP_EXPECT(judged > 0, "how sure names are is told from at least one example");
}

/// Logits of the examples that are judged, from fits that did not see their categories.
inline std::vector<LeftOut> leave_out(std::span<const WordExample> examples, const std::vector<std::string>& words,
                                      const std::vector<std::string>& categories, const WordFitOptions& options) {
  const std::vector<index_t> fold = word_folds(examples, categories, options.folds);
  std::vector<LeftOut> result;
  for (index_t left = 0; left < options.folds; ++left) {
    std::vector<index_t> chosen;
    index_t judged = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (fold[i] != left) chosen.push_back(static_cast<index_t>(i));
      if (fold[i] == left && examples[i].is_judged) ++judged;
    }
    if (chosen.empty() || judged == 0) continue;
    const WordReadout readout{words, fit_logistic(examples, chosen, 1 + std::ssize(words), options), 1, 2, {}};
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (fold[i] != left || !examples[i].is_judged) continue;
      result.push_back({&examples[i], word_probabilities(readout, examples[i].evidence)});
      for (double& value : result.back().logits) value = std::log((std::max)(1e-300, value));
    }
  }
  return result;
}

/// What plain CLIP says of the same.
inline std::vector<LeftOut> plain_answers(const std::vector<LeftOut>& left_out) {
  std::vector<LeftOut> result;
  for (const LeftOut& answer : left_out) result.push_back({answer.example, answer.example->evidence.cosines});
  return result;
}

/// Right names of defects among these.
inline index_t count_right(const std::vector<LeftOut>& answers) {
  index_t right = 0;
  for (const LeftOut& answer : answers)
    right += answer.example->word > 0 && named_word(answer.logits) == answer.example->word ? 1 : 0;
  return right;
}

/// Names of categories, sorted, each once.
inline std::vector<std::string> sorted_names(std::vector<std::string> names) {
  lists::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace detail

MOECLIP_FUNC WordReadout fit_words(std::span<const WordExample> examples, const std::vector<std::string>& words,
                                   const WordFitOptions& options) {
  const FloatScope floats;
  detail::expect_word_examples(examples, words, options);
  WordReadout readout;
  readout.words = words;
  WordFitRecord& record = readout.record;
  record.promise = options.promise;
  record.pictures = std::ssize(examples);
  for (const WordExample& example : examples) record.categories.push_back(example.category);
  record.categories = detail::sorted_names(std::move(record.categories));

  std::vector<detail::LeftOut> left_out = detail::leave_out(examples, words, record.categories, options);
  std::vector<detail::LeftOut> plain = detail::plain_answers(left_out);
  for (const detail::LeftOut& answer : left_out) {
    record.judged.push_back(answer.example->category);
    record.named += answer.example->word > 0 ? 1 : 0;
  }
  record.judged = detail::sorted_names(std::move(record.judged));
  record.plain_right = detail::count_right(plain);
  record.named_right = detail::count_right(left_out);
  if (record.named_right > record.plain_right) {
    std::vector<index_t> all;
    for (index_t i = 0; i < std::ssize(examples); ++i) all.push_back(i);
    readout.weights = detail::fit_logistic(examples, all, 1 + std::ssize(words), options);
  } else {
    left_out = std::move(plain);
    record.named_right = record.plain_right;
  }
  readout.temperature = detail::fit_temperature(left_out);
  std::vector<GradedAnswer> graded;
  for (detail::LeftOut& answer : left_out) {
    detail::softmax(answer.logits, readout.temperature);
    const index_t word = detail::named_word(answer.logits);
    answer.probability = answer.logits[static_cast<std::size_t>(word)];
    answer.is_right = word == answer.example->word;
    answer.category = static_cast<std::size_t>(
        std::lower_bound(record.judged.begin(), record.judged.end(), answer.example->category) - record.judged.begin());
    graded.push_back({answer.probability, answer.is_right});
  }
  record.reliability = reliability_of(graded);
  detail::fit_threshold(std::move(left_out), record.judged.size(), readout);
  return readout;
}

}}  // namespace moeclip::abi_v0_1

#endif
