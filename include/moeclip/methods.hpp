// SPDX-License-Identifier: MIT
#pragma once
// The methods that MoECLIP is compared with, for training and for judging. Made by
// tools/dev/generate_umbrella.py from the headers that are there.

#include "methods/fit.hpp"
#include "methods/make_method.hpp"
#include "methods/method.hpp"
#include "methods/method_file.hpp"
