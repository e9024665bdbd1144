// SPDX-License-Identifier: MIT
#pragma once

/// How often the program has taken memory from the heap so far (test_heap_count.cpp replaces operator new).
long heap_allocations();
