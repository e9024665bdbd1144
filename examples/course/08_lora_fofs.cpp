// SPDX-License-Identifier: MIT
// Lesson 8. LoRA and FOFS. An expert that could say anything about a token of D channels would be a D x D matrix. LoRA
// takes a product of two thin ones, of rank r:
//
//   o_e = (alpha/r) B_e A_e x,   A_e (r, D),  B_e (D, r)                                          (EXP-1)
//   d_h = s B^T d_o,  d_B = s d_o h^T,  d_A = d_h x^T,  d_x = A^T d_h,   h = A x,  s = alpha/r   (EXP-1')
//
// FOFS (frozen orthogonal feature separation) gives each of E experts channels of its own, cut from x in chunks, and
// directions in them that are orthogonal, from a QR decomposition:
//
//   A_e = Q_e^T on the columns of chunk e, 0 elsewhere;   Q_e^T Q_e = I                           (FOF-1)
//
// So the rows of all A_e together are orthonormal, A A^T = I, and they are never trained.
//
// Output:
// o by the lesson and by the library: the same numbers
// d_B by the lesson and by the library: the same numbers
// A of 4 experts by the lesson and by the library: the same numbers
// A A^T = I over all experts: the same numbers
// a channel of chunk 0 changes: expert 0 notices, expert 1 does not
// numbers in a full expert of ViT-L: 1048576, in one of rank 8: 16384, trained under FOFS: 8192
// of a random direction of x, experts of rank 8 see 0.26 of its square; r E / D = 0.25, in ViT-L 0.03

#include <moeclip/moe/fofs.hpp>

#include "lesson.hpp"

constexpr index_t kWidth = 128, kExperts = 4, kRank = 8, kTokens = 20;
constexpr double kScale = 2;
using Matrix = Tensor<double>;

/// a b^T for matrices of rows: element (i, j) is row i of a times row j of b.
static Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c({a.extent(0), b.extent(0)});
  for (index_t i = 0; i < c.extent(0); ++i)
    for (index_t j = 0; j < c.extent(1); ++j) c[i * c.extent(1) + j] = dot(row(a, i), row(b, j));
  return c;
}

static Matrix transposed(const Matrix& a) {
  Matrix t({a.extent(1), a.extent(0)});
  for (index_t i = 0; i < t.size(); ++i) t[i] = a[i % t.extent(1) * a.extent(1) + i / t.extent(1)];
  return t;
}

/// EXP-1, never a D x D matrix: r D multiplications down to h and r D up again.
static Matrix expert(const moeclip::Expert<double>& e, const Matrix& x) {
  Matrix o = product(product(x, e.lora_a), e.lora_b);
  for (double& value : o) value *= kScale;
  return o;
}

/// FOF-1 for expert e: r vectors of standard normal random numbers in its chunk, made orthonormal one after the other
/// (Gram and Schmidt). The library takes Householder's reflections, whose signs are LAPACK's: the sign of each row is
/// put right at the end.
static Matrix separated(index_t e, const Matrix& like) {
  const index_t size = kWidth / kExperts, begin = e * size;
  Matrix normal({size, kRank}), a({kRank, kWidth});
  moeclip::fill_normal(normal, 1, moeclip::concat("lesson.experts.", e));
  for (index_t r = 0; r < kRank; ++r) {
    double* q = &a[r * kWidth];
    for (index_t c = 0; c < size; ++c) q[begin + c] = normal[c * kRank + r];
    for (index_t s = 0; s < r; ++s) {  // takes away what earlier rows have
      const double along = dot(row(a, s), row(a, r));
      for (index_t c = 0; c < kWidth; ++c) q[c] -= along * a[s * kWidth + c];
    }
    const double sign = dot(row(a, r), row(like, r)) < 0 ? -1 : 1, size_of_q = length(row(a, r));
    for (index_t c = 0; c < kWidth; ++c) q[c] *= sign / size_of_q;
  }
  return a;
}

int main() {
  moeclip::Mixture<double> mixture(kWidth, kExperts, kRank);
  moeclip::initialize_fofs(mixture, 1, "lesson");
  for (auto& e : mixture.experts) moeclip::fill_uniform(e.lora_b, 1, "B", 0.5f);
  const auto x = drawn<double>({kTokens, kWidth}, "x"), d_o = drawn<double>({kTokens, kWidth}, "d_o");
  const moeclip::Expert<double>& first = mixture.experts[0];

  Context context({.threads = 1});
  Matrix o({kTokens, kWidth}), d_b({kWidth, kRank});
  moeclip::expert_forward<double>(context, first, kScale, x.view<2>(), o.view<2>());
  compare("o by the lesson and by the library", farthest(expert(first, x), o), 1e-12);
  moeclip::expert_backward<double>(context, first, kScale, x.view<2>(), d_o.view<2>(), {{}, nullptr, d_b.data()});
  Matrix own_d_b = product(transposed(d_o), transposed(product(x, first.lora_a)));
  for (double& value : own_d_b) value *= kScale;
  compare("d_B by the lesson and by the library", farthest(own_d_b, d_b), 1e-12);

  double off = 0;
  Matrix stacked({kExperts * kRank, kWidth}), identity({kExperts * kRank, kExperts * kRank});
  for (index_t e = 0; e < kExperts; ++e) {
    const Matrix& a = mixture.experts[static_cast<std::size_t>(e)].lora_a;
    off = std::max(off, farthest(separated(e, a), a));
    std::copy(a.begin(), a.end(), &stacked[e * kRank * kWidth]);
  }
  for (index_t i = 0; i < identity.extent(0); ++i) identity[i * identity.extent(1) + i] = 1;
  compare("A of 4 experts by the lesson and by the library", off, 1e-12);
  compare("A A^T = I over all experts", farthest(product(stacked, stacked), identity), 1e-13);

  // Separated: what one expert looks at, no other one sees.
  Matrix changed = x;
  changed[3] += 1;  // channel 3 of token 0
  const auto notices = [&](std::size_t e) {
    return farthest(expert(mixture.experts[e], changed), expert(mixture.experts[e], x)) > 0;
  };
  std::printf("a channel of chunk 0 changes: expert 0 %s, expert 1 %s\n", notices(0) ? "notices" : "does not",
              notices(1) ? "notices" : "does not");

  // The surprise: how little it takes, and what that costs. Experts see r E of D directions, the rest of a token is
  // nothing to them; training moves only what they answer, B.
  std::printf("numbers in a full expert of ViT-L: %d, in one of rank 8: %d, trained under FOFS: %d\n", 1024 * 1024,
              2 * 8 * 1024, 8 * 1024);
  const auto direction = drawn<double>({200, kWidth}, "direction");
  const double seen = length(product(direction, stacked).values()) / length(direction.values());
  std::printf("of a random direction of x, experts of rank 8 see %.2f of its square; r E / D = %.2f, in ViT-L %.2f\n",
              seen * seen, double{kRank * kExperts} / kWidth, 8.0 * 4 / 1024);
}

// Exercise 1. A layer W x with an expert beside it, W x + s B A x, can be merged into one matrix when training is over.
//   Do it, and check that the outputs agree. Why can MoECLIP's experts not be merged like that? (Lessons 9, 10: which
//   expert answers depends on x, and so does how loud.)
// Exercise 2. At the start of training B = 0. Show that then d_A = 0 (EXP-1'), so that an A that is trained would not
//   move in the first step either, and d_B is not 0.
// Exercise 3. D = 10 channels for 3 experts: which chunks does fofs_chunk make, and which rank is too high?
