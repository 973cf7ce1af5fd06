// How hot loops are compiled: once for each instruction set of interest, the best one picked when the program starts.
//
//   TRAIND_VECTORIZED void Scale(const float* x, float* y, int64_t n) { for (...) y[i] = 2 * x[i]; }
//
// Put it on plain loop functions over contiguous memory, not on functions that hold an OpenMP pragma (the compiler
// would not clone the outlined part): split the range with ParallelFor and call the loop from inside.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(TRAIND_SANITIZED)
#define TRAIND_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TRAIND_VECTORIZED
#endif

// For what a vectorized loop calls: it must be inlined to be vectorized with it.
#define TRAIND_INLINE inline __attribute__((always_inline))
