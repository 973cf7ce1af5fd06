#include "core/layers/positions.h"

#include <algorithm>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

// Values whose sums are on the stack.
constexpr int64_t kSumRange = 256;

template <class T>
TRAIND_VECTORIZED void AddPiece(const T* __restrict x, int64_t n, double* __restrict sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += static_cast<double>(ToFloat(x[i]));
}

template <class T>
void SumOverExamples(const T* x, int64_t batch, int64_t stride, int64_t n, float* to) {
  ParallelFor(n, kSumRange, [&](int64_t begin, int64_t end, int) {
    for (int64_t first = begin; first < end; first += kSumRange) {
      const int64_t count = std::min(kSumRange, end - first);
      double sums[kSumRange] = {};
      for (int64_t example = 0; example < batch; ++example) AddPiece(x + example * stride + first, count, sums);
      std::transform(sums, sums + count, to + first, [](double sum) { return static_cast<float>(sum); });
    }
  });
}

}  // namespace

v1::Initializer PositionInitializer() {
  v1::Initializer initializer;
  initializer.mutable_normal()->set_std(0.02);
  return initializer;
}

void AddSumOverExamples(Planner& planner, const ExamplePieces& from, int64_t n, Value to) {
  const bool bf16 = planner.compute_type() == dnnl::memory::data_type::bf16;
  planner.Run("sum over examples", {from.value}, {to}, [=, batch = planner.batch()](const Frame& frame) {
    bf16 ? SumOverExamples(frame.at<Bfloat16>(from.value), batch, from.stride, n, frame.at<float>(to))
         : SumOverExamples(frame.at<float>(from.value), batch, from.stride, n, frame.at<float>(to));
  });
}

}  // namespace traind::core
