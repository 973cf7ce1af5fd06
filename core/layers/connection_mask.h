// Which connections of a drop_connect layer stay: a pure function of (seed, layer, step, example, output, input), drawn
// where it is needed instead of being kept. A tile of 128 connections of one output takes 16 random blocks; connection
// 16 h + i of it is half h % 2 of word h / 2 of block i, so that 16 connections next to each other are drawn side by
// side.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/random.h"
#include "core/base/vectorize.h"

namespace traind::core {

struct ConnectionMask {
  static constexpr int kLanes = 16;
  static constexpr int64_t kTile = 128;

  ConnectionMask(const RandomStream& stream, double rate)
      : random(stream),
        threshold(static_cast<uint32_t>(std::min(std::lround(rate * 0x1p16), 0xFFFFL))),
        scale(0x1p16f / static_cast<float>(0x10000 - threshold)) {}

  // The first random block of an output's connections.
  static uint32_t FirstBlock(int64_t output, int64_t inputs) {
    return static_cast<uint32_t>(output * ((inputs + kTile - 1) / kTile) * kLanes);
  }

  RandomStream random;
  uint32_t threshold;  // A connection stays with probability 1 - threshold / 2^16 ...
  float scale;         // ... and is multiplied by the inverse.
};

// Calls body(i, kept) for the n connections of one output, `kept` a bool. In a loop compiled with TRAIND_VECTORIZED,
// body must be free of dependencies between neighbouring i.
template <class Body>
TRAIND_INLINE void ForConnections(const ConnectionMask& mask, uint64_t step, uint32_t example, uint32_t first_block,
                                  int64_t n, const Body& body) {
  uint32_t words[4][ConnectionMask::kLanes];
  int64_t tile = 0;
  for (; tile + ConnectionMask::kTile <= n; tile += ConnectionMask::kTile, first_block += ConnectionMask::kLanes) {
    mask.random.Blocks(step, example, first_block, words);
    for (int word = 0; word < 4; ++word) {
#pragma GCC ivdep
      for (int lane = 0; lane < ConnectionMask::kLanes; ++lane) {
        body(tile + 2 * word * ConnectionMask::kLanes + lane, lane, (words[word][lane] & 0xFFFF) >= mask.threshold);
      }
#pragma GCC ivdep
      for (int lane = 0; lane < ConnectionMask::kLanes; ++lane) {
        body(tile + (2 * word + 1) * ConnectionMask::kLanes + lane, lane, (words[word][lane] >> 16) >= mask.threshold);
      }
    }
  }
  if (tile == n) return;
  mask.random.Blocks(step, example, first_block, words);
  for (int64_t i = 0; i < n - tile; ++i) {
    const int64_t half = i / ConnectionMask::kLanes, lane = i % ConnectionMask::kLanes;
    const uint32_t word = words[half / 2][lane];
    body(tile + i, static_cast<int>(lane), (half % 2 == 0 ? word & 0xFFFF : word >> 16) >= mask.threshold);
  }
}

// The sum of weight x over the connections that stay.
template <class T>
TRAIND_VECTORIZED float KeptProduct(const ConnectionMask& mask, uint64_t step, uint32_t example, uint32_t first_block,
                                    const float* __restrict weight, const T* __restrict x, int64_t n) {
  float sums[ConnectionMask::kLanes] = {};
  ForConnections(
      mask, step, example, first_block, n, [&](int64_t i, int lane, bool kept) __attribute__((always_inline)) {
        sums[lane] += kept ? weight[i] * ToFloat(x[i]) : 0.0f;
      });
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

// to += factor * from where the connection stays.
template <class T>
TRAIND_VECTORIZED void AddKept(const ConnectionMask& mask, uint64_t step, uint32_t example, uint32_t first_block,
                               float factor, const T* __restrict from, int64_t n, float* __restrict to) {
  ForConnections(
      mask, step, example, first_block, n, [&](int64_t i, int, bool kept) __attribute__((always_inline)) {
        to[i] += kept ? factor * ToFloat(from[i]) : 0.0f;
      });
}

// to = scale * from where the connection stays, else 0.
template <class T>
TRAIND_VECTORIZED void TakeKept(const ConnectionMask& mask, uint64_t step, uint32_t example, uint32_t first_block,
                                const float* __restrict from, int64_t n, T* __restrict to) {
  const float scale = mask.scale;
  ForConnections(
      mask, step, example, first_block, n, [&](int64_t i, int, bool kept) __attribute__((always_inline)) {
        to[i] = FromFloat<T>(kept ? scale * from[i] : 0.0f);
      });
}

}  // namespace traind::core
