// convolution-table: where Winograd beats the direct kernels. Measures the forward, backward-data and backward-weights
// primitives of a 3x3 convolution with both algorithms, with the reorders that a step would need between them, and
// prints one JSON line for each shape. The table in core/plan/convolution_rule.cc is made from its output.
//
//   OMP_NUM_THREADS=1 convolution-table
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <unordered_map>

#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using onednn::Any;
using onednn::Type;

struct Shape {
  int64_t batch, in, out, size;
};

dnnl::memory Zeros(const onednn::Desc& desc) {
  dnnl::memory memory(desc, onednn::Engine());
  std::memset(memory.get_data_handle(), 0, desc.get_size());
  return memory;
}

// The best of some runs, in milliseconds.
double Time(const dnnl::primitive_desc_base& desc, std::initializer_list<std::pair<int, onednn::Desc>> arguments) {
  std::unordered_map<int, dnnl::memory> bound;
  for (const auto& [argument, of_argument] : arguments) {
    if (of_argument.get_size() > 0) bound.emplace(argument, Zeros(of_argument));
  }
  const auto primitive = onednn::MakePrimitive(desc);
  if (!primitive.ok()) return std::numeric_limits<double>::infinity();
  dnnl::stream stream(onednn::Engine());
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 7; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    primitive->execute(stream, bound);
    stream.wait();
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::min(best, elapsed.count());
  }
  return best;
}

double ReorderTime(const onednn::Desc& from, const onednn::Desc& to) {
  if (from == to) return 0;
  const auto reorder = onednn::Reorder(from, to);
  if (!reorder.ok()) return std::numeric_limits<double>::infinity();
  return Time(reorder->desc,
              {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, reorder->desc.scratchpad_desc()}});
}

struct Times {
  double forward = 0;
  double data = 0;
  double weights = 0;
  double reorders = 0;
  double sum() const { return forward + data + weights + reorders; }
};

Times Measure(const Shape& shape, bool winograd) {
  onednn::ConvolutionOptions options{.winograd = winograd,
                                     .src = Any({shape.batch, shape.in, shape.size, shape.size}, Type::f32),
                                     .weights = Any({shape.out, shape.in, 3, 3}, Type::f32),
                                     .bias = onednn::Desc(),
                                     .dst = Any({shape.batch, shape.out, shape.size, shape.size}, Type::f32),
                                     .stride = {1, 1},
                                     .dilation = {1, 1},
                                     .padding_begin = {1, 1},
                                     .padding_end = {1, 1}};
  Times times;
  const double infinity = std::numeric_limits<double>::infinity();
  auto forward = onednn::Convolution(options);
  if (!forward.ok()) return {.forward = infinity};
  times.forward = Time(forward->desc, {{DNNL_ARG_SRC, forward->desc.src_desc()},
                                       {DNNL_ARG_WEIGHTS, forward->desc.weights_desc()},
                                       {DNNL_ARG_DST, forward->desc.dst_desc()},
                                       {DNNL_ARG_SCRATCHPAD, forward->desc.scratchpad_desc()}});
  auto data = onednn::ConvolutionGradientOfData(options, *forward);
  if (!data.ok()) {
    options.winograd = false;
    data = onednn::ConvolutionGradientOfData(options, *forward);
    options.winograd = winograd;
  }
  if (!data.ok()) return {.forward = infinity};
  times.data = Time(data->desc, {{DNNL_ARG_DIFF_DST, data->desc.diff_dst_desc()},
                                 {DNNL_ARG_WEIGHTS, data->desc.weights_desc()},
                                 {DNNL_ARG_DIFF_SRC, data->desc.diff_src_desc()},
                                 {DNNL_ARG_SCRATCHPAD, data->desc.scratchpad_desc()}});
  auto weights = onednn::ConvolutionGradientOfWeights(options, *forward);
  if (!weights.ok()) {
    options.winograd = false;
    weights = onednn::ConvolutionGradientOfWeights(options, *forward);
  }
  if (!weights.ok()) return {.forward = infinity};
  times.weights = Time(weights->desc, {{DNNL_ARG_SRC, weights->desc.src_desc()},
                                       {DNNL_ARG_DIFF_DST, weights->desc.diff_dst_desc()},
                                       {DNNL_ARG_DIFF_WEIGHTS, weights->desc.diff_weights_desc()},
                                       {DNNL_ARG_SCRATCHPAD, weights->desc.scratchpad_desc()}});
  times.reorders = ReorderTime(forward->desc.weights_desc(), data->desc.weights_desc()) +
                   ReorderTime(weights->desc.diff_weights_desc(), forward->desc.weights_desc()) +
                   ReorderTime(forward->desc.src_desc(), weights->desc.src_desc()) +
                   ReorderTime(data->desc.diff_dst_desc(), weights->desc.diff_dst_desc());
  return times;
}

}  // namespace
}  // namespace traind::core

int main() {
  using traind::core::Measure;
  std::printf("{\"onednn\": \"%s\", \"instruction_set\": \"%s\"}\n", traind::core::onednn::VersionString().c_str(),
              traind::core::onednn::InstructionSet().c_str());
  for (const int64_t size : {4, 7, 8, 14, 16, 28, 32, 56}) {
    for (const auto& [in, out] :
         {std::pair{3, 64}, {16, 16}, {32, 32}, {32, 64}, {64, 64}, {128, 128}, {256, 256}, {512, 512}}) {
      for (const int64_t batch : {16, 128}) {
        // About a second in all for one shape.
        if (batch * in * out * size * size > int64_t{64} << 24) continue;
        const traind::core::Shape shape{batch, in, out, size};
        const auto direct = Measure(shape, false);
        const auto winograd = Measure(shape, true);
        std::printf(
            "{\"in\": %d, \"out\": %d, \"size\": %d, \"batch\": %d, \"direct_ms\": %.3f, \"winograd_ms\": %.3f, "
            "\"forward\": [%.3f, %.3f], \"data\": [%.3f, %.3f], \"weights\": [%.3f, %.3f], \"reorders\": [%.3f, "
            "%.3f]}\n",
            in, out, static_cast<int>(size), static_cast<int>(batch), direct.sum(), winograd.sum(), direct.forward,
            winograd.forward, direct.data, winograd.data, direct.weights, winograd.weights, direct.reorders,
            winograd.reorders);
        std::fflush(stdout);
      }
    }
  }
}
