// What looks at the layers' outputs: statistics in observed steps, and inspection.
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/bfloat16.h"
#include "core/base/finite.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/onednn/desc.h"
#include "core/plan/plan_builder.h"

namespace traind::core {
namespace {

using dnnl::memory;

// All that is stored of a value.
struct Numbers {
  Value value;
  int64_t n = 0;
  bool bf16 = false;

  template <class T>
  float Max(const T* x) const {
    std::atomic<uint32_t> largest = 0;  // The bits of magnitudes are ordered as they are.
    ParallelFor(n, kValueGrain, [&](int64_t begin, int64_t end, int) {
      const auto bits = std::bit_cast<uint32_t>(MaxMagnitude(x + begin, end - begin));
      for (uint32_t before = largest; bits > before && !largest.compare_exchange_weak(before, bits);) {
      }
    });
    return std::bit_cast<float>(largest.load());
  }
  float Max(const Frame& frame) const { return bf16 ? Max(frame.at<Bfloat16>(value)) : Max(frame.at<float>(value)); }
};

// Whether a NaN may have come up in a primitive that reads these: one of them is not finite, or sums of products of the
// first two, a source and weights, may overflow.
bool MayHide(const Frame& frame, const std::vector<Numbers>& read, bool multiplies) {
  double product = 1;
  for (size_t i = 0; i < read.size(); ++i) {
    const float largest = read[i].Max(frame);
    if (!std::isfinite(largest)) return true;
    if (i < 2) product *= largest;
  }
  return multiplies && product * static_cast<double>(read[1].n) > std::numeric_limits<float>::max() / 4;
}

// plain = output where plain is a number.
template <class T>
TRAIND_VECTORIZED void KeepNanLoop(const T* output, int64_t n, T* plain) {
  for (int64_t i = 0; i < n; ++i) {
    const float x = ToFloat(plain[i]);
    plain[i] = x != x ? plain[i] : output[i];
  }
}

template <class T>
void KeepNan(const T* output, int64_t n, T* plain) {
  ParallelFor(n, kValueGrain,
              [&](int64_t begin, int64_t end, int) { KeepNanLoop(output + begin, end - begin, plain + begin); });
}

}  // namespace

void PlanBuilder::Observe(const PlannedNode& planned, const Node& node) {
  Stage stage{.node = &node};
  stage_ = &stage;
  observing_ = true;  // What is appended from here on runs in observed steps only.
  Value output = planned.output;
  // Units are features where the shape says so, also when the memory is still that of an image.
  const std::optional<Layout> known = Layout::Of(Desc(output));
  if (!known || known->channels != node.output[0]) output = Flat(output);
  const Layout layout = *Layout::Of(Desc(output));

  Value source;
  std::optional<Layout> source_layout;
  if (node.activation && node.activation->derivative_source()) {
    const bool from_input = *node.activation->derivative_source() == Activation::Source::kInput;
    if (!from_input || planned.taken == Taken::kNo) {
      source = from_input ? planned.activation.inputs[0] : output;
      source_layout = Layout::Of(Desc(source));
    }
  }
  if (!source_layout) source = {};

  const LayerObserver::Options observed{
      .bins = options_.histogram_bins, .dead_window = options_.dead_window, .activation = node.activation.get()};
  plan_->bytes_.statistics += LayerObserver::BytesFor(layout, observed);
  plan_->observers_.push_back({&node, store_.counted() ? nullptr : std::make_unique<LayerObserver>(layout, observed)});
  std::vector<Value> reads = {output, source}, writes;
  const bool fused = unfused_.has_value() && output == planned.output;
  const auto behind = fused ? LookBehind(output, reads, writes) : nullptr;
  Run("observe", reads, writes,
      [observer = plan_->observers_.back().observer.get(), output, source, behind,
       source_layout = source_layout.value_or(layout)](const Frame& frame) {
        const void* seen = behind ? behind(frame) : frame.at(output);
        observer->Observe(seen, source.valid() ? frame.at(source) : nullptr, source_layout);
      });
  observing_ = false;
  stage_ = nullptr;
}

std::function<const void*(const Frame&)> PlanBuilder::LookBehind(Value output, std::vector<Value>& reads,
                                                                 std::vector<Value>& writes) {
  const auto numbers = [this](Value value) {
    const bool bf16 = onednn::TypeOf(Desc(value)) == memory::data_type::bf16;
    return Numbers{value, static_cast<int64_t>(Desc(value).get_size() / (bf16 ? 2 : 4)), bf16};
  };
  const Value plain = New(Desc(output));
  Plan::Operation operation{.label = Label("unfused"), .desc = unfused_->plain};
  std::vector<Numbers> read;
  bool multiplies = false;
  for (const auto& [argument, value] : unfused_->arguments) {
    if (!value.valid()) continue;
    const bool result = argument == DNNL_ARG_DST;
    operation.arguments.push_back({argument, result ? View(plain, Desc(value)).id : value.id});
    if (result) continue;
    multiplies |= argument == DNNL_ARG_WEIGHTS;
    reads.push_back(value);
    read.push_back(numbers(value));
  }
  writes.push_back(plain);
  const size_t index = plan_->unfused_.size();
  plan_->unfused_.push_back(Needed(std::move(operation)));
  return [=, plan = plan_.get(), out = numbers(output)](const Frame& frame) -> const void* {
    if (!MayHide(frame, read, multiplies)) return frame.at(output);
    if (!plan->Execute(plan->unfused_[index]).ok()) return frame.at(output);
    out.bf16 ? KeepNan(frame.at<Bfloat16>(output), out.n, frame.at<Bfloat16>(plain))
             : KeepNan(frame.at<float>(output), out.n, frame.at<float>(plain));
    return frame.at(plain);
  };
}

void PlanBuilder::Inspect(const PlannedNode& planned, int index) {
  Stage stage{.node = planned.layer.node};
  stage_ = &stage;
  const Value flat = Flat(planned.output);
  const Value plain = In(flat, onednn::Plain(onednn::DimsOf(Desc(flat)), memory::data_type::f32));
  Run("inspect", {plain}, {}, [](const Frame&) {});
  plan_->operations_.back().inspects = index;
  plan_->inspected_[index] = options_.batch * Elements(planned.layer.node->pre_activation);
  stage_ = nullptr;
}

}  // namespace traind::core
