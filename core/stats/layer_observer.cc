#include "core/stats/layer_observer.h"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

// Values looked at between two reads of memory: they stay in the first cache for all the loops that want them.
constexpr int64_t kChunk = 4096;
// Fewer values than this are not worth a second thread.
constexpr int64_t kMinPart = 16384;
// Interleaved copies of the histogram: neighbours that fall into one bin do not wait for each other's store.
constexpr int kLanes = 8;

// Sums are of x - pivot, so that the variance does not cancel where the values are far from zero.
struct Moments {
  double sum = 0;
  double sum_squares = 0;
  float min = std::numeric_limits<float>::max();
  float max = std::numeric_limits<float>::lowest();
  int64_t zeros = 0;
  int64_t non_finite = 0;
  int64_t nan = 0;

  void Add(const Moments& other) {
    sum += other.sum;
    sum_squares += other.sum_squares;
    min = std::min(min, other.min);
    max = std::max(max, other.max);
    zeros += other.zeros;
    non_finite += other.non_finite;
    nan += other.nan;
  }
};

TRAIND_INLINE uint32_t Magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7FFFFFFFu; }
TRAIND_INLINE bool IsFinite(float x) { return Magnitude(x) < 0x7F800000u; }

// The `simd` pragmas below only allow the sums to be reordered; nothing is outlined.
TRAIND_VECTORIZED void AddMoments(const float* x, int64_t n, double pivot, Moments* moments) {
  double sum = 0, sum_squares = 0;
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  int32_t zeros = 0, non_finite = 0;
#pragma omp simd reduction(+ : sum, sum_squares, zeros, non_finite) reduction(min : low) reduction(max : high)
  for (int64_t i = 0; i < n; ++i) {
    const bool finite = IsFinite(x[i]);
    const double d = finite ? x[i] - pivot : 0.0;
    sum += d;
    sum_squares += d * d;
    const float for_low = finite ? x[i] : std::numeric_limits<float>::max();
    const float for_high = finite ? x[i] : std::numeric_limits<float>::lowest();
    low = for_low < low ? for_low : low;
    high = for_high > high ? for_high : high;
    zeros += x[i] == 0.0f;
    non_finite += !finite;
  }
  moments->Add(
      {.sum = sum, .sum_squares = sum_squares, .min = low, .max = high, .zeros = zeros, .non_finite = non_finite});
}

TRAIND_VECTORIZED int64_t CountNan(const float* x, int64_t n) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; ++i) count += Magnitude(x[i]) > 0x7F800000u;
  return count;
}

// Bin of each value; `bins` for those that are in none.
TRAIND_VECTORIZED void ToBins(const float* x, int64_t n, double low, double scale, int32_t bins, int32_t* index) {
  for (int64_t i = 0; i < n; ++i) {
    const bool finite = IsFinite(x[i]);
    const int32_t bin = static_cast<int32_t>(finite ? (x[i] - low) * scale : 0.0);
    index[i] = finite ? std::min(bin, bins - 1) : bins;
  }
}

// `counts` is [bins + 1][kLanes].
void CountBins(const int32_t* index, int64_t n, uint32_t* counts) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) ++counts[index[i + lane] * kLanes + lane];
  }
  for (; i < n; ++i) ++counts[index[i] * kLanes];
}

// Sets bits of seen[c] where a row has something other than zero in column c.
TRAIND_VECTORIZED void MarkColumns(const float* x, int64_t rows, int64_t width, uint32_t* seen) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; ++c) seen[c] |= Magnitude(x[r * width + c]);
  }
}

TRAIND_VECTORIZED uint32_t AnyBits(const float* x, int64_t n) {
  uint32_t bits = 0;
#pragma omp simd reduction(| : bits)
  for (int64_t i = 0; i < n; ++i) bits |= Magnitude(x[i]);
  return bits;
}

TRAIND_VECTORIZED void Widen(const Bfloat16* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = ToFloat(x[i]);
}

// Calls body(block, rows) for the rows [begin, end) of `layout`, a row being its innermost dimension, in consecutive
// runs that lie in one block.
template <class Body>
void ForEachRun(const Layout& layout, int64_t begin, int64_t end, const Body& body) {
  if (layout.blocks == 1) {
    body(int64_t{0}, end - begin);
    return;
  }
  int64_t block = begin / layout.spatial % layout.blocks;
  int64_t left = layout.spatial - begin % layout.spatial;
  while (begin < end) {
    const int64_t rows = std::min(left, end - begin);
    body(block, rows);
    begin += rows;
    left = layout.spatial;
    block = block + 1 == layout.blocks ? 0 : block + 1;
  }
}

// How the rows of a layout are divided, and how many numbers each part holds.
struct Sizes {
  Sizes(const Layout& layout, const LayerObserver::Options& options) {
    const int64_t width = std::max<int64_t>(layout.width, 1);
    const int64_t rows = layout.batch * layout.blocks * layout.spatial;
    rows_per_chunk = std::max<int64_t>(1, kChunk / width);
    // As many parts as there are threads now; ParallelFor makes no more of them than n / grain.
    const int64_t threads = omp_get_max_threads();
    rows_per_part = std::max({(rows + threads - 1) / threads, kMinPart / width, int64_t{1}});
    parts = std::max<int64_t>(1, (rows + rows_per_part - 1) / rows_per_part);
    chunk = rows_per_chunk * width;
    counts = (options.bins + 1) * kLanes;
    if (options.activation == nullptr || !options.activation->can_die()) return;
    seen = layout.padded_channels();
    silent_steps = layout.channels;
  }

  int64_t rows_per_chunk;
  int64_t rows_per_part;
  int64_t parts;
  int64_t chunk;
  int64_t counts;
  int64_t seen = 0;
  int64_t silent_steps = 0;
};

}  // namespace

struct LayerObserver::State {
  // What one thread works on.
  struct Part {
    Moments moments;
    std::vector<float> values;     // A chunk, where it cannot be read in place.
    std::vector<int32_t> index;    // Bins of a chunk.
    std::vector<uint32_t> counts;  // [bins + 1][kLanes]
    std::vector<uint32_t> seen;    // [padded_channels]: not 0 where the channel had a non-zero value.
  };

  Layout layout;
  Options options;
  int64_t rows_per_chunk = 1;
  int64_t rows_per_part = 1;
  std::vector<Part> parts;
  std::vector<float> silent_steps;  // [channels]; empty where no unit can die.

  // Of the last Observe.
  Moments moments;
  double pivot = 0;
  int64_t saturated = -1;  // -1: not known.
  int64_t source_elements = 0;
  std::vector<int64_t> counts;

  int64_t rows() const { return layout.batch * layout.blocks * layout.spatial; }

  // The valid values of the rows [begin, end) as consecutive floats; `*n` is their number.
  const float* Read(const void* data, int64_t begin, int64_t end, Part& part, int64_t* n) const {
    const bool is_bf16 = layout.type == dnnl::memory::data_type::bf16;
    const int64_t offset = begin * layout.width;
    if (!layout.padded()) {
      *n = (end - begin) * layout.width;
      if (!is_bf16) return static_cast<const float*>(data) + offset;
      Widen(static_cast<const Bfloat16*>(data) + offset, *n, part.values.data());
      return part.values.data();
    }
    float* to = part.values.data();
    int64_t from = offset;
    ForEachRun(layout, begin, end, [&](int64_t block, int64_t rows) {
      const int64_t width = layout.block_width(block);
      for (int64_t r = 0; r < rows; ++r, from += layout.width, to += width) {
        if (is_bf16) {
          const Bfloat16* row = static_cast<const Bfloat16*>(data) + from;
          for (int64_t c = 0; c < width; ++c) to[c] = ToFloat(row[c]);
        } else {
          std::copy_n(static_cast<const float*>(data) + from, width, to);
        }
      }
    });
    *n = to - part.values.data();
    return part.values.data();
  }

  // Calls body(part, begin, end, values, n) for each chunk of rows, in parallel.
  template <class Body>
  void ForEachChunk(const void* data, const Body& body) {
    ParallelFor(rows(), rows_per_part, [&](int64_t begin, int64_t end, int which) {
      Part& part = parts[which];
      for (int64_t row = begin; row < end; row += rows_per_chunk) {
        const int64_t stop = std::min(end, row + rows_per_chunk);
        int64_t n = 0;
        const float* values = Read(data, row, stop, part, &n);
        body(part, row, stop, values, n);
      }
    });
  }

  void MarkSeen(int64_t begin, int64_t end, const float* values, Part& part) const {
    ForEachRun(layout, begin, end, [&](int64_t block, int64_t rows) {
      const int64_t width = layout.block_width(block);
      uint32_t* seen = part.seen.data() + block * layout.width;
      if (width == 1) {
        *seen |= AnyBits(values, rows);
      } else {
        MarkColumns(values, rows, width, seen);
      }
      values += rows * width;
    });
  }

  void UpdateSilentSteps() {
    for (int64_t c = 0; c < layout.channels; ++c) {
      uint32_t seen = 0;
      for (const Part& part : parts) seen |= part.seen[c];
      silent_steps[c] = seen == 0 ? silent_steps[c] + 1 : 0;
    }
  }
};

LayerObserver::LayerObserver(const Layout& layout, const Options& options) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.layout = layout;
  s.options = options;
  const Sizes sizes(layout, options);
  s.rows_per_chunk = sizes.rows_per_chunk;
  s.rows_per_part = sizes.rows_per_part;
  s.parts.resize(sizes.parts);
  for (State::Part& part : s.parts) {
    part.values.resize(sizes.chunk);
    part.index.resize(sizes.chunk);
    part.counts.resize(sizes.counts);
    part.seen.resize(sizes.seen);
  }
  s.silent_steps.resize(sizes.silent_steps);
  s.counts.resize(options.bins);
}

int64_t LayerObserver::BytesFor(const Layout& layout, const Options& options) {
  const Sizes sizes(layout, options);
  const int64_t part = 2 * sizes.chunk + sizes.counts + sizes.seen;  // Numbers of four bytes.
  return 4 * (sizes.parts * part + sizes.silent_steps) + int64_t{sizeof(int64_t)} * options.bins;
}

LayerObserver::~LayerObserver() = default;

void LayerObserver::Observe(const void* output, const void* derivative_source, const Layout& source_layout) {
  State& s = *state_;
  for (State::Part& part : s.parts) {
    part.moments = Moments();
    std::fill(part.counts.begin(), part.counts.end(), 0);
    std::fill(part.seen.begin(), part.seen.end(), 0);
  }
  s.moments = Moments();
  s.pivot = 0;
  std::fill(s.counts.begin(), s.counts.end(), 0);
  s.saturated = -1;
  if (s.layout.elements() == 0) return;

  // Any value of the tensor will do, and the same one each time the step is replayed.
  const float first = s.layout.type == dnnl::memory::data_type::bf16 ? ToFloat(*static_cast<const Bfloat16*>(output))
                                                                     : *static_cast<const float*>(output);
  if (IsFinite(first)) s.pivot = first;
  const bool can_die = !s.silent_steps.empty();
  s.ForEachChunk(output, [&](State::Part& part, int64_t begin, int64_t end, const float* values, int64_t n) {
    const int64_t non_finite = part.moments.non_finite;
    AddMoments(values, n, s.pivot, &part.moments);
    if (part.moments.non_finite != non_finite) part.moments.nan += CountNan(values, n);
    if (can_die) s.MarkSeen(begin, end, values, part);
  });
  for (const State::Part& part : s.parts) s.moments.Add(part.moments);
  if (can_die) s.UpdateSilentSteps();

  if (s.moments.non_finite < s.layout.elements()) {
    const double low = s.moments.min, range = static_cast<double>(s.moments.max) - low;
    // A little too large, so that rounding never takes a value on an edge into the bin below.
    const double scale = range > 0 ? s.options.bins / range * (1 + 0x1p-50) : 0;
    s.ForEachChunk(output, [&](State::Part& part, int64_t, int64_t, const float* values, int64_t n) {
      ToBins(values, n, low, scale, s.options.bins, part.index.data());
      CountBins(part.index.data(), n, part.counts.data());
    });
    for (const State::Part& part : s.parts) {
      for (int i = 0; i < s.options.bins * kLanes; ++i) s.counts[i / kLanes] += part.counts[i];
    }
  }

  const Activation* activation = s.options.activation;
  if (activation != nullptr && derivative_source != nullptr && activation->derivative_source().has_value()) {
    s.saturated = activation->CountSaturated(source_layout, derivative_source);
    s.source_elements = source_layout.elements();
  }
}

void LayerObserver::Report(v1::LayerStatistics* statistics) const {
  const State& s = *state_;
  const int64_t count = s.layout.elements();
  const int64_t finite = count - s.moments.non_finite;
  statistics->set_count(count);
  statistics->set_units(s.layout.channels);
  statistics->set_nan_count(s.moments.nan);
  statistics->set_inf_count(s.moments.non_finite - s.moments.nan);
  auto* histogram = statistics->mutable_histogram();
  histogram->mutable_counts()->Assign(s.counts.begin(), s.counts.end());
  if (finite > 0) {
    const double n = static_cast<double>(finite);
    const double mean = s.moments.sum / n;  // Less the pivot.
    const double variance = std::max(0.0, s.moments.sum_squares / n - mean * mean);
    statistics->set_mean(static_cast<float>(s.pivot + mean));
    statistics->set_std(static_cast<float>(std::sqrt(variance)));
    statistics->set_min(s.moments.min);
    statistics->set_max(s.moments.max);
    statistics->set_zero_fraction(static_cast<float>(static_cast<double>(s.moments.zeros) / n));
    histogram->set_low(s.moments.min);
    histogram->set_high(s.moments.max);
  }
  if (s.saturated >= 0 && s.source_elements > 0) {
    statistics->set_saturated_fraction(
        static_cast<float>(static_cast<double>(s.saturated) / static_cast<double>(s.source_elements)));
  }
  if (!s.silent_steps.empty()) {
    const float window = static_cast<float>(s.options.dead_window);
    statistics->set_dead_units(
        std::count_if(s.silent_steps.begin(), s.silent_steps.end(), [&](float steps) { return steps >= window; }));
  }
}

int64_t LayerObserver::nan_count() const { return state_->moments.nan; }

absl::Span<float> LayerObserver::silent_steps() { return absl::MakeSpan(state_->silent_steps); }

}  // namespace traind::core
