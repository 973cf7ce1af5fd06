// The loops of drop_connect. With one mask for each step: weights, or their gradient, masked into a copy. With one for
// each example: the products of a dense layer, whose masks are drawn as they go (connection_mask.h).
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/kinds/planner.h"
#include "core/layers/connection_mask.h"

namespace traind::core::drop_connect {

// The values of one step's kernels with a mask for each example; [units, inputs] and so on, all row-major.
struct PerExample {
  int64_t batch, inputs, units;
  ConnectionMask mask;
  Value x = {}, weight = {}, bias = {}, y = {};
  Value dy = {}, dx = {}, dweight = {}, dbias = {};
  Value sums = {};  // [batch, inputs]: dx in float32 where dx is not.
};

template <class T>
void RunForward(const Frame& frame, const PerExample& v) {
  const float* weight = frame.at<float>(v.weight);
  const float* bias = v.bias.valid() ? frame.at<float>(v.bias) : nullptr;
  ParallelFor(v.batch * v.units, GrainFor(v.inputs), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / v.units, unit = i % v.units;
      const float sum = KeptProduct(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                                    ConnectionMask::FirstBlock(unit, v.inputs), weight + unit * v.inputs,
                                    frame.at<T>(v.x) + n * v.inputs, v.inputs);
      frame.at<T>(v.y)[i] = FromFloat<T>(v.mask.scale * sum + (bias != nullptr ? bias[unit] : 0.0f));
    }
  });
}

template <class T>
void RunInputGradient(const Frame& frame, const PerExample& v) {
  ParallelFor(v.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      float* sums = frame.at<float>(v.sums) + n * v.inputs;
      std::fill(sums, sums + v.inputs, 0.0f);
      for (int64_t unit = 0; unit < v.units; ++unit) {
        const float factor = v.mask.scale * ToFloat(frame.at<T>(v.dy)[n * v.units + unit]);
        AddKept(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                ConnectionMask::FirstBlock(unit, v.inputs), factor, frame.at<float>(v.weight) + unit * v.inputs,
                v.inputs, sums);
      }
      if (v.sums == v.dx) continue;
      std::transform(sums, sums + v.inputs, frame.at<T>(v.dx) + n * v.inputs, [](float x) { return FromFloat<T>(x); });
    }
  });
}

template <class T>
void RunWeightGradient(const Frame& frame, const PerExample& v) {
  ParallelFor(v.units, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      float* dweight = frame.at<float>(v.dweight) + unit * v.inputs;
      std::fill(dweight, dweight + v.inputs, 0.0f);
      double dbias = 0;
      for (int64_t n = 0; n < v.batch; ++n) {
        const float dy = ToFloat(frame.at<T>(v.dy)[n * v.units + unit]);
        dbias += dy;
        AddKept(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                ConnectionMask::FirstBlock(unit, v.inputs), v.mask.scale * dy, frame.at<T>(v.x) + n * v.inputs,
                v.inputs, dweight);
      }
      if (v.dbias.valid()) frame.at<float>(v.dbias)[unit] = static_cast<float>(dbias);
    }
  });
}

// What the weights of one step come to, or their gradient: from `from`, [units, inputs] of float32, to `to`.
template <class T>
void RunMask(const Frame& frame, const ConnectionMask& mask, Value from, Value to, int64_t units, int64_t inputs) {
  ParallelFor(units, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      TakeKept(mask, frame.step(), 0, ConnectionMask::FirstBlock(unit, inputs), frame.at<float>(from) + unit * inputs,
               inputs, frame.at<T>(to) + unit * inputs);
    }
  });
}

}  // namespace traind::core::drop_connect
