// SPDX-License-Identifier: MIT
#pragma once
// What every lesson needs: numbers to compute with, a comparison of two results, a clock, and the end after an error.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <moeclip/base/context.hpp>
#include <moeclip/nn/initialize.hpp>
#include <span>

using moeclip::Context;
using moeclip::index_t;
using moeclip::Tensor;
using moeclip::View;

/// A tensor of numbers between -bound and bound; which ones follows from the name.
template <class T>
Tensor<T> drawn(const moeclip::Shape& shape, const char* name, float bound = 1) {
  Tensor<T> tensor(shape);
  moeclip::fill_uniform(tensor, 1, name, bound);
  return tensor;
}

/// The largest |a_i - b_i|; infinite if one of them is no number.
template <class T>
double farthest(const Tensor<T>& a, const Tensor<T>& b) {
  double most = a.size() == b.size() ? 0 : HUGE_VAL;
  for (index_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double here = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    most = here <= most ? most : (here > most ? here : HUGE_VAL);
  }
  return most;
}

/// Says whether two results are the same but for rounding.
inline void compare(const char* what, double difference, double bound) {
  std::printf("%s: %s\n", what, difference <= bound ? "the same numbers" : "DIFFERENT");
}

/// The length of a vector.
template <class T>
double length(std::span<const T> x) {
  double square = 0;
  for (const T value : x) square += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(square);
}

/// The product of two vectors.
template <class T>
double dot(std::span<const T> x, std::span<const T> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return sum;
}

/// Row i of a matrix whose rows are contiguous.
template <class T>
std::span<const T> row(const Tensor<T>& matrix, index_t i) {
  const index_t width = matrix.extent(matrix.rank() - 1);
  return {matrix.data() + i * width, static_cast<std::size_t>(width)};
}

/// Milliseconds of the processor that `work` takes on one thread, the mean of as many runs as fill 30 of them. Other
/// programs on the machine hardly change it, as they would the time by the clock.
template <class Work>
double milliseconds(const Work& work) {
  work();  // what it needs is in the caches
  const std::clock_t start = std::clock();
  double spent = 0;
  int runs = 0;
  do {
    work();
    ++runs;
    spent = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  } while (spent < 30);
  return spent / runs;
}

/// What the program of a lesson says of an error, and what its main returns then.
inline int complain(const moeclip::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
