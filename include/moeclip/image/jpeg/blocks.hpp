// SPDX-License-Identifier: MIT
#pragma once
// Decodes single blocks of DCT coefficients from entropy-coded data (ITU T.81 F.2 sequential, G.2 progressive). Where
// the data is damaged the bits say so afterwards (bits.hpp); until then whatever comes out is stored inside the block.

#include <cstdint>

#include "bits.hpp"
#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Sequential: a whole block. `predictor` is the DC value of the block before.
inline void decode_block(JpegBits& shared, const HuffmanTable& dc, const HuffmanTable& ac, int& predictor,
                         std::int16_t* block) {
  JpegBits bits = shared;  // a copy that stays in registers
  bits.ensure();
  const int dc_size = dc.decode(bits);
  if (dc_size > 0) predictor += bits.take_signed(dc_size);
  block[0] = static_cast<std::int16_t>(predictor);
  for (int k = 1; k < kBlockSize; ++k) {
    bits.ensure();
    const std::int32_t quick = ac.quick(bits);
    if (quick != 0) {
      bits.drop(quick & 255);
      k += quick >> 8 & 15;
      block[kZigzag[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(quick >> 16);
      continue;
    }
    const int symbol = ac.decode(bits);
    const int run = symbol >> 4, size = symbol & 15;
    if (size == 0) {
      if (run != 15) break;  // end of block
      k += 15;
      continue;
    }
    k += run;
    block[kZigzag[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(bits.take_signed(size));
  }
  shared = bits;
}

/// Progressive, first scan of a DC term: its bits above `low`.
inline void decode_dc_first(JpegBits& bits, const HuffmanTable& dc, int& predictor, int low, std::int16_t* block) {
  bits.ensure();
  const int size = dc.decode(bits);
  if (size > 0) predictor += bits.take_signed(size);
  block[0] = static_cast<std::int16_t>(static_cast<unsigned>(predictor) << low);
}

/// Progressive, later scan of a DC term: bit `low`.
inline void decode_dc_refinement(JpegBits& bits, int low, std::int16_t* block) {
  bits.ensure();
  if (bits.take(1) != 0) block[0] = static_cast<std::int16_t>(block[0] | 1 << low);
}

/// Length of a run of blocks without further coefficients: 2^exponent plus as many bits (T.81 G.1.2.2).
inline int take_block_run(JpegBits& bits, int exponent) {
  return exponent == 0 ? 1 : (1 << exponent) + static_cast<int>(bits.take(exponent));
}

/// Progressive, first scan of a band of AC terms. `block_run` blocks, this one included, have nothing more.
inline void decode_ac_first(JpegBits& shared, const HuffmanTable& ac, const JpegScan& scan, int& block_run,
                            std::int16_t* block) {
  if (block_run > 0) {
    --block_run;
    return;
  }
  JpegBits bits = shared;
  for (int k = scan.first; k <= scan.last; ++k) {
    bits.ensure();
    const int symbol = ac.decode(bits);
    const int run = symbol >> 4, size = symbol & 15;
    if (size == 0 && run != 15) {
      block_run = take_block_run(bits, run) - 1;
      break;
    }
    k += run;
    if (size == 0) continue;
    const auto value = static_cast<unsigned>(bits.take_signed(size)) << scan.low;
    block[kZigzag[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(value);
  }
  shared = bits;
}

/// Reads the next bit of a coefficient that is not zero.
inline void refine_coefficient(JpegBits& bits, int low, std::int16_t& coefficient) {
  bits.ensure();
  if (bits.take(1) == 0 || (coefficient & 1 << low) != 0) return;
  coefficient = static_cast<std::int16_t>(coefficient + (coefficient >= 0 ? 1 << low : -(1 << low)));
}

/// Progressive, later scan of a band of AC terms: bit `low` of those known to be nonzero, and terms that become so.
inline void decode_ac_refinement(JpegBits& shared, const HuffmanTable& ac, const JpegScan& scan, int& block_run,
                                 std::int16_t* block) {
  JpegBits bits = shared;
  int k = scan.first;
  for (; block_run == 0 && k <= scan.last; ++k) {
    bits.ensure();
    const int symbol = ac.decode(bits);
    int run = symbol >> 4;
    const int size = symbol & 15;
    int value = 0;
    if (size != 0) {
      if (size != 1) bits.mark_bad();
      value = bits.take(1) != 0 ? 1 << scan.low : -(1 << scan.low);
    } else if (run != 15) {
      block_run = take_block_run(bits, run);
      break;
    }
    for (; k <= scan.last; ++k) {  // passes `run` zeros; nonzero terms on the way are refined
      std::int16_t& coefficient = block[kZigzag[static_cast<std::size_t>(k)]];
      if (coefficient != 0)
        refine_coefficient(bits, scan.low, coefficient);
      else if (--run < 0)
        break;
    }
    if (value != 0) block[kZigzag[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(value);
  }
  if (block_run > 0) {
    for (; k <= scan.last; ++k) {
      std::int16_t& coefficient = block[kZigzag[static_cast<std::size_t>(k)]];
      if (coefficient != 0) refine_coefficient(bits, scan.low, coefficient);
    }
    --block_run;
  }
  shared = bits;
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1
