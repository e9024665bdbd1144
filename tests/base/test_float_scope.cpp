// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/base/context.hpp>
#include <moeclip/base/float_scope.hpp>
#include <vector>

#include "float_modes.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a scope computes in the library's mode and gives the caller's back") {
  for (const FloatMode mode : float_modes()) {
    CAPTURE(mode);
    const FloatScope caller(mode);
    const float third = one_third();
    const FloatMode before = float_mode();  // with the flag that a third is not exact
    {
      const FloatScope library;
      CHECK(float_mode() == library_float_mode());
      {
        const FloatScope nested;
        CHECK(one_third() == 1.0f / 3.0f);
      }
      volatile float none = 0;
      none = none / none;  // invalid: neither a trap nor, afterwards, a flag
    }
    CHECK(float_mode() == before);
    CHECK(one_third() == third);
  }
}

TEST_CASE("threads compute in the mode of whoever gives them work, whenever they were started") {
  ThreadPool pool(4);
  BackgroundWorker worker;
  for (const FloatMode mode : float_modes()) {
    CAPTURE(mode);
    const FloatScope caller(mode);
    std::vector<float> thirds(64), expected(64, one_third());
    auto task = [&](index_t i, int) { thirds[static_cast<std::size_t>(i)] = one_third(); };
    pool.run(64, task);
    CHECK(thirds == expected);
    float third = 0;
    auto alone = [&] { third = one_third(); };
    worker.start(alone);
    worker.wait();
    CHECK(third == one_third());
  }
}
