// y_u = the largest of x_u, x_{units + u}, x_{2 units + u}, ...: k linear pieces for each unit (Goodfellow et al. 2013,
// slide 9). The gradient goes to the piece that won, the first of equals.
//
// In every layout taken here the pieces of one example (or of one position of it) are k slabs of equal length, one
// behind the other: [units * spatial] where channels are outermost, [units] where they are innermost, whole blocks in
// between. A blocked layout whose blocks the units do not fill is reordered to plain.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/activations/elementwise_loops.h"
#include "core/base/require.h"
#include "core/kinds/activation.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

constexpr int64_t kMost = 512;  // Values of a slab that are handled at once.

// The largest of `pieces` values that are `slab` apart, and which one it was. NaN wins.
template <class T>
TRAIND_VECTORIZED void Largest(const T* x, int64_t slab, int64_t pieces, int64_t n, float* __restrict best,
                               int32_t* __restrict winner) {
  for (int64_t i = 0; i < n; ++i) {
    best[i] = ToFloat(x[i]);
    winner[i] = 0;
  }
  for (int64_t p = 1; p < pieces; ++p) {
    const T* piece = x + p * slab;
    for (int64_t i = 0; i < n; ++i) {
      const float v = ToFloat(piece[i]);
      const bool wins = (v > best[i]) | (v != v);
      best[i] = wins ? v : best[i];
      winner[i] = wins ? static_cast<int32_t>(p) : winner[i];
    }
  }
}

template <class T>
TRAIND_VECTORIZED void StoreLoop(const float* __restrict best, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(best[i]);
}

template <class T>
TRAIND_VECTORIZED void RouteLoop(const int32_t* __restrict winner, const T* __restrict dy, int32_t piece, int64_t n,
                                 T* __restrict dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = FromFloat<T>(winner[i] == piece ? ToFloat(dy[i]) : 0.0f);
}

// How the slabs lie: `groups` times k slabs of `slab` values.
struct Slabs {
  int64_t groups;
  int64_t slab;
  int64_t pieces;
};

// Calls body(x_offset, y_offset, n) for parts of slabs: n values from y_offset of the output are the largest of those
// from x_offset + p * slab.
template <class Body>
void ForEachPart(const Slabs& slabs, const Body& body) {
  const int64_t parts = (slabs.slab + kMost - 1) / kMost;
  const int64_t grain = GrainFor(std::min(slabs.slab, kMost) * slabs.pieces);
  ParallelFor(slabs.groups * parts, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / parts;
      const int64_t first = i % parts * kMost;
      body(group * slabs.pieces * slabs.slab + first, group * slabs.slab + first, std::min(kMost, slabs.slab - first));
    }
  });
}

template <class T>
void RunForward(const Slabs& slabs, const T* x, T* y) {
  ForEachPart(slabs, [&](int64_t from, int64_t to, int64_t n) {
    float best[kMost];
    int32_t winner[kMost];
    Largest(x + from, slabs.slab, slabs.pieces, n, best, winner);
    StoreLoop(best, n, y + to);
  });
}

template <class T>
void RunBackward(const Slabs& slabs, const T* x, const T* dy, T* dx) {
  ForEachPart(slabs, [&](int64_t from, int64_t to, int64_t n) {
    float best[kMost];
    int32_t winner[kMost];
    Largest(x + from, slabs.slab, slabs.pieces, n, best, winner);
    for (int64_t p = 0; p < slabs.pieces; ++p) {
      RouteLoop(winner, dy + to, static_cast<int32_t>(p), n, dx + from + p * slabs.slab);
    }
  });
}

class MaxoutActivation final : public Activation {
 public:
  explicit MaxoutActivation(int64_t pieces) : pieces_(pieces) {}

  int64_t pieces() const override { return pieces_; }

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape = {.output = inputs[0], .parameters = {}, .forward_flops = Elements(inputs[0])};
    if (inputs[0][0] % pieces_ != 0) {
      errors.At("pieces").Add(
          absl::StrCat("must divide the ", inputs[0][0], " channels of the input, and ", pieces_, " does not"));
      return shape;
    }
    shape.output[0] /= pieces_;
    return shape;
  }

  LayerTraits traits() const override { return {.homogeneous = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    PlacedValue x = PlacedChannels(planner);
    const int64_t units = x.layout.channels / pieces_;
    if (!IsInner(x.layout) && units % x.layout.width != 0) x = PlacedPlain(planner);
    const bool inner = IsInner(x.layout);
    const Slabs slabs = {.groups = x.layout.batch * (inner ? x.layout.spatial : 1),
                         .slab = inner ? units : units * x.layout.spatial,
                         .pieces = pieces_};
    const Value y = planner.New(OutputDesc(planner, x, units));
    const bool bf16 = x.layout.type == dnnl::memory::data_type::bf16;
    planner.Run("maxout", {x.value}, {y}, [=](const Frame& frame) {
      bf16 ? RunForward(slabs, frame.at<Bfloat16>(x.value), frame.at<Bfloat16>(y))
           : RunForward(slabs, frame.at<float>(x.value), frame.at<float>(y));
    });
    planner.SetOutput(y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& backward) {
      if (!backward.NeedsInputGradient()) return absl::OkStatus();
      const Value dy = GradientAs(backward, backward.Desc(y));
      const Value dx = backward.New(backward.Desc(x.value));
      backward.Run("maxout", {x.value, dy}, {dx}, [=](const Frame& frame) {
        bf16 ? RunBackward(slabs, frame.at<Bfloat16>(x.value), frame.at<Bfloat16>(dy), frame.at<Bfloat16>(dx))
             : RunBackward(slabs, frame.at<float>(x.value), frame.at<float>(dy), frame.at<float>(dx));
      });
      backward.SetInputGradient(0, dx);
      return absl::OkStatus();
    });
  }

 private:
  // All channels of a position are next to each other, with nothing in between.
  static bool IsInner(const Layout& layout) { return layout.width == layout.channels; }

  // The input's layout with `units` channels.
  static dnnl::memory::desc OutputDesc(const Planner& planner, const PlacedValue& x, int64_t units) {
    using Tag = dnnl::memory::format_tag;
    onednn::Dims dims = onednn::DimsOf(planner.Desc(x.value));
    dims[1] = units;
    if (dims.size() == 2) return onednn::Plain(dims, x.layout.type);
    const int64_t width = x.layout.width;
    if (IsInner(x.layout) && x.layout.spatial > 1) return {dims, x.layout.type, Tag::nhwc};
    if (width == 1 || IsInner(x.layout)) return onednn::Plain(dims, x.layout.type);
    return {dims, x.layout.type, width == 16 ? Tag::nChw16c : width == 8 ? Tag::nChw8c : Tag::nChw4c};
  }

  const int64_t pieces_;
};

const Registered<Activation, v1::Maxout> kMaxout(
    "The largest of k linear pieces (slide 9).", [](v1::Maxout& config, const FieldErrors& errors) {
      if (!config.has_pieces()) config.set_pieces(2);
      Require(config.pieces() >= 2, errors, "pieces", "at least 2", config.pieces());
      return std::make_unique<MaxoutActivation>(std::max<uint32_t>(1, config.pieces()));
    });

}  // namespace
}  // namespace traind::core
