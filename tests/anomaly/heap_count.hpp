// SPDX-License-Identifier: MIT
#pragma once
// Counts what the program takes from the heap, for tests that promise that it takes nothing.

/// How often the program has taken memory from the heap so far (test_heap_count.cpp replaces operator new).
long heap_allocations();
