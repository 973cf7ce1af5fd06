#include "core/initializers/distributions.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/math.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

// Values are made in batches of this many blocks of four, always whole, so that a value never depends on how the range
// was split.
constexpr int64_t kBlocks = 256;
constexpr int64_t kBatch = 4 * kBlocks;

// The words of blocks first .. first + kBlocks, word k of block b at words[k * kBlocks + b].
TRAIND_VECTORIZED void Draw(const RandomStream& random, uint64_t first, uint32_t* __restrict words) {
  const RandomStream stream = random;
  const auto high = static_cast<uint32_t>(first >> 32);
  const auto low = static_cast<uint32_t>(first);  // A multiple of kBlocks: adding b < kBlocks does not carry.
  for (uint32_t b = 0; b < kBlocks; ++b) {
    const std::array<uint32_t, 4> block = stream.Block(0, high, low + b);
    words[b] = block[0];
    words[kBlocks + b] = block[1];
    words[2 * kBlocks + b] = block[2];
    words[3 * kBlocks + b] = block[3];
  }
}

// Two normals from the words a[b], c[b], to out[4 b] and out[4 b + 1] (Box & Muller 1958).
TRAIND_VECTORIZED void ToNormals(const uint32_t* __restrict a, const uint32_t* __restrict c, float mean, float std,
                                 float* __restrict out) {
  for (int64_t b = 0; b < kBlocks; ++b) {
    const float u = (static_cast<float>(static_cast<int32_t>(a[b] >> 8)) + 1.0f) * 0x1p-24f;  // (0, 1]
    const float t = static_cast<float>(static_cast<int32_t>(c[b] >> 8)) * 0x1p-24f;
    const float squared = -2.0f * Log(u);
    const float radius = std::sqrt(squared > 0.0f ? squared : 0.0f);
    const SinCos angle = SinCosTurns(t);
    out[4 * b] = mean + std * (radius * angle.cos);
    out[4 * b + 1] = mean + std * (radius * angle.sin);
  }
}

TRAIND_VECTORIZED void ToUniforms(const uint32_t* __restrict words, float low, float range, float* __restrict out) {
  for (int64_t b = 0; b < kBlocks; ++b) {
    for (int64_t k = 0; k < 4; ++k) {
      out[4 * b + k] = low + range * (static_cast<float>(static_cast<int32_t>(words[k * kBlocks + b] >> 8)) * 0x1p-24f);
    }
  }
}

// Calls convert(words, out) for each batch; out holds kBatch values.
template <class Convert>
void FillBatches(const RandomStream& random, absl::Span<float> values, const Convert& convert) {
  const auto n = static_cast<int64_t>(values.size());
  ParallelFor(n, kBatch, [&](int64_t begin, int64_t end, int) {
    uint32_t words[kBatch];
    float last[kBatch];
    for (int64_t i = begin; i < end; i += kBatch) {
      Draw(random, static_cast<uint64_t>(i) / 4, words);
      if (i + kBatch <= n) {
        convert(words, values.data() + i);
      } else {
        convert(words, last);
        std::copy(last, last + (n - i), values.data() + i);
      }
    }
  });
}

}  // namespace

void FillNormal(const RandomStream& random, float mean, float std, absl::Span<float> values) {
  FillBatches(random, values, [mean, std](const uint32_t* words, float* out) {
    ToNormals(words, words + kBlocks, mean, std, out);
    ToNormals(words + 2 * kBlocks, words + 3 * kBlocks, mean, std, out + 2);
  });
}

void FillUniform(const RandomStream& random, float low, float high, absl::Span<float> values) {
  FillBatches(random, values,
              [low, high](const uint32_t* words, float* out) { ToUniforms(words, low, high - low, out); });
}

void FillScaled(const RandomStream& random, v1::Distribution distribution, double std, absl::Span<float> values) {
  if (distribution == v1::DISTRIBUTION_UNIFORM) {
    const auto bound = static_cast<float>(std::sqrt(3.0) * std);
    FillUniform(random, -bound, bound, values);
  } else {
    FillNormal(random, 0.0f, static_cast<float>(std), values);
  }
}

double FanOf(v1::Fan fan, Initializer::Fans fans) {
  switch (fan) {
    case v1::FAN_OUT:
      return static_cast<double>(fans.out);
    case v1::FAN_AVERAGE:
      return (static_cast<double>(fans.in) + static_cast<double>(fans.out)) / 2;
    default:
      return static_cast<double>(fans.in);
  }
}

void CheckFan(v1::Fan fan, const FieldErrors& errors) {
  if (v1::Fan_IsValid(fan)) return;
  errors.Add(absl::StrCat("must be IN, OUT or AVERAGE, not ", static_cast<int>(fan)));
}

void CheckDistribution(v1::Distribution distribution, const FieldErrors& errors) {
  if (v1::Distribution_IsValid(distribution)) return;
  errors.Add(absl::StrCat("must be NORMAL or UNIFORM, not ", static_cast<int>(distribution)));
}

}  // namespace traind::core
