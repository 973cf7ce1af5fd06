// What a layer talks to while it is planned: it names values (tensors of the step), asks for parameters in the layout
// its kernels want, and appends operations. Memory is decided afterwards from the lifetimes that the operations imply.
//
// Layouts. Layers create their primitives with format_tag::any, take what comes, and ask for a reorder only through
// In(); a reorder of identical descriptors costs nothing. A layer that runs a loop of its own instead of a primitive
// reads core/tensor/layout.h, which describes every layout that can occur: plain, channels-last, channel-blocked.
//
// Not thread-safe; used by one thread while a plan is made.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/onednn/onednn.h"
#include "core/tensor/tensor.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

class Activation;

// A tensor of the step, by its index in the plan.
struct Value {
  int id = -1;
  bool valid() const { return id >= 0; }
  bool operator==(const Value&) const = default;
};

// What a kernel sees when it runs: where its values are, and the counters of the step.
class Frame {
 public:
  template <class T = void>
  T* at(Value value) const {
    return static_cast<T*>(pointers_[value.id]);
  }
  uint64_t step() const { return step_; }  // Steps done before this one; in inference the number of the look.
  // The number of the plan's first example in the whole minibatch, which several plans may share. Example n of the plan
  // draws as number first_example() + n, so the shares change no draw.
  uint32_t first_example() const { return first_example_; }
  // Ends the run with this error, the first of them: for what only the data show. Not from several threads at once.
  void Fail(absl::Status status) const { failure_.Update(std::move(status)); }

 private:
  friend class Plan;
  friend class PlanBuilder;
  std::vector<void*> pointers_;  // By Value::id; null for values that were never needed.
  uint64_t step_ = 0;
  uint32_t first_example_ = 0;
  mutable absl::Status failure_;
};

// A loop of our own. Runs once each step, allocates nothing, and splits its work with ParallelFor.
using Kernel = std::function<void(const Frame&)>;

class Planner {
 public:
  // Of a primitive: DNNL_ARG_... and the value; invalid values are left out.
  using Arguments = std::vector<std::pair<int, Value>>;

  virtual ~Planner() = default;

  // --- What is planned.
  virtual bool training() const = 0;
  // Whether random layers draw (LayerTraits::purpose): while training, and in inference by Monte-Carlo samples.
  virtual bool sampling() const = 0;
  virtual int64_t batch() const = 0;                         // Examples of one step.
  virtual dnnl::memory::data_type compute_type() const = 0;  // Of activations and their gradients: f32 or bf16.
  virtual const dnnl::engine& engine() const = 0;
  virtual std::string_view layer_name() const = 0;
  virtual uint64_t seed() const = 0;
  // The convolution kernels to use for this layer: DIRECT or WINOGRAD, as core/plan/convolution_rule.h decided.
  virtual v1::ConvolutionAlgorithm convolution_algorithm() const = 0;

  // Whether there are steps in which every layer's output is looked at.
  virtual bool observed() const = 0;

  // --- Values of the forward computation.
  virtual int num_inputs() const = 0;
  virtual Value Input(int i = 0) const = 0;
  // The network's input in float32, whatever the compute type: the numbers of the dataset.
  virtual Value ExactInput() = 0;
  // Shape of one example as the graph has it. Desc() of a flattened image keeps four dimensions: dense layers use them,
  // others ask for Flat().
  virtual const Shape& InputShape(int i = 0) const = 0;
  virtual const Shape& OutputShape() const = 0;  // Before the activation.
  virtual const dnnl::memory::desc& Desc(Value value) const = 0;
  // A new value with a concrete layout. It lives from the first operation that writes it to the last that reads it.
  virtual Value New(const dnnl::memory::desc& desc) = 0;
  // Another descriptor on the same bytes.
  virtual Value View(Value value, const dnnl::memory::desc& desc) = 0;
  // The value in the layout and type wanted: itself, or the result of a reorder appended here.
  virtual Value In(Value value, const dnnl::memory::desc& wanted) = 0;
  // The value as plain row-major [batch, elements].
  virtual Value Flat(Value value) = 0;
  // The same numbers in row-major order with the dimensions of `like`, as a flattened image is [n, features] for one
  // layer and [n, c, h, w] for another.
  virtual Value Reshaped(Value value, const dnnl::memory::desc& like) = 0;
  virtual void SetOutput(Value value) = 0;

  // The activation that follows in the same layer, or null. A layer that applies it itself says so:
  // - TakeActivation(): the layer does forward and backward of it (batch norm with relu);
  // - FuseActivation(): the layer appended the activation's post_op() to its primitive; OutputGradient() is then the
  //   gradient before the activation, computed from the output by the planner.
  virtual const Activation* activation() const = 0;
  virtual void TakeActivation() = 0;
  virtual void FuseActivation() = 0;
  // What observed steps compare with where a fused activation may hide a NaN (oneDNN's relu makes 0 of it): `plain` is
  // the primitive without the activation, `arguments` those of the fused one. Runs only when one of them is not finite,
  // or so large that sums may overflow. Needs observed().
  virtual void ObserveUnfused(const dnnl::primitive_desc_base& plain, const Arguments& arguments) = 0;

  // --- Parameters, by the names of their ParameterSpec.
  // The parameter in the descriptor wanted, whose dims may split or join the public ones as long as row-major order is
  // kept ([out, c * h * w] as [out, c, h, w]). The first call decides the layout in which the float32 master and the
  // optimizer's state live; bf16 gets a copy that the optimizer keeps up to date; later calls that want something else
  // get a reorder in the step.
  virtual Value Parameter(std::string_view name, const dnnl::memory::desc& wanted) = 0;
  // Whether this plan trains the layer's parameter no more: it keeps its value, and nothing needs its gradient.
  virtual bool Frozen(std::string_view name) const = 0;
  // Several parameters of equal size, one behind the other in one float32 tensor ({2, C} scale and shift).
  virtual Value JoinedParameters(absl::Span<const std::string_view> names, const dnnl::memory::desc& wanted) = 0;

  // --- Operations, in the order of execution.
  // The primitive of `desc`, which is one of core/onednn/primitives.h: its scratchpad is the planner's.
  virtual void Run(const dnnl::primitive_desc_base& desc, Arguments arguments) = 0;
  // `writes` may repeat a value of `reads`: updated in place.
  virtual void Run(std::string_view label, std::vector<Value> reads, std::vector<Value> writes, Kernel kernel) = 0;

  // --- Only in a BackwardPlan.
  // The loss's gradient with respect to the layer's output, in the layout in which the reader's backward left it.
  virtual Value OutputGradient() = 0;
  virtual bool NeedsInputGradient(int i = 0) const = 0;  // Known in Plan, too.
  // The gradient for one input; several readers of one value are added up by the planner. A value may be given to
  // several inputs and may be OutputGradient() itself: the planner copies before it adds.
  virtual void SetInputGradient(int i, Value gradient) = 0;
  // Where the backward primitive writes the float32 gradient of a parameter (or of joined ones, by the first name) in
  // the layout it chose; the planner brings it to the master's layout.
  virtual Value ParameterGradient(std::string_view name, const dnnl::memory::desc& desc) = 0;
};

}  // namespace traind::core
