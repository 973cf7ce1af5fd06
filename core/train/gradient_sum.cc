#include "core/train/gradient_sum.h"

#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void BeginLoop(const float* __restrict g, int64_t n, float scale, float* __restrict sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] = scale * g[i];
}

TRAIND_VECTORIZED void AddLoop(const float* __restrict g, int64_t n, float scale, float* __restrict sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += scale * g[i];
}

// loop(g, n, scale, sum) over the parts of all trained parameters.
template <class Loop>
void ForEachPart(ParameterStore& store, int slot, const Loop& loop) {
  for (StoredParameter& parameter : store.parameters()) {
    if (!parameter.spec->trained) continue;
    float *g = parameter.gradient, *sum = parameter.slots[slot];
    ParallelFor(parameter.stored_elements(), kValueGrain,
                [&](int64_t begin, int64_t end, int) { loop(g + begin, end - begin, sum + begin); });
  }
}

}  // namespace

void GradientSum::Add(bool first, int64_t examples) {
  examples_ = (first ? 0 : examples_) + examples;
  const auto scale = static_cast<float>(examples);
  ForEachPart(store_, slot_, [&](float* g, int64_t n, float* sum) {
    first ? BeginLoop(g, n, scale, sum) : AddLoop(g, n, scale, sum);
  });
}

void GradientSum::Finish() {
  const float scale = 1.0f / static_cast<float>(examples_);
  ForEachPart(store_, slot_, [&](float* g, int64_t n, float* sum) { BeginLoop(sum, n, scale, g); });
}

}  // namespace traind::core
