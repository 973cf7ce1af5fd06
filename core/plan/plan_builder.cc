#include "core/plan/plan_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"
#include "core/plan/arena.h"

namespace traind::core {
namespace {

using dnnl::memory;

template <class T>
TRAIND_VECTORIZED void AddLoop(const T* a, const T* b, T* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = FromFloat<T>(ToFloat(a[i]) + ToFloat(b[i]));
}

// sum = a + b over the whole of two tensors of one layout; padding is zero in both and stays so.
template <class T>
void Add(const void* a, const void* b, void* sum, int64_t n) {
  ParallelFor(n, 4096, [&](int64_t begin, int64_t end, int) {
    AddLoop(static_cast<const T*>(a) + begin, static_cast<const T*>(b) + begin, static_cast<T*>(sum) + begin,
            end - begin);
  });
}

std::string_view KindName(dnnl::primitive::kind kind) {
  switch (kind) {
    case dnnl::primitive::kind::reorder:
      return "reorder";
    case dnnl::primitive::kind::convolution:
      return "convolution";
    case dnnl::primitive::kind::inner_product:
      return "inner product";
    case dnnl::primitive::kind::batch_normalization:
      return "batch normalization";
    case dnnl::primitive::kind::pooling:
      return "pooling";
    case dnnl::primitive::kind::concat:
      return "concat";
    case dnnl::primitive::kind::sum:
      return "sum";
    case dnnl::primitive::kind::binary:
      return "binary";
    case dnnl::primitive::kind::matmul:
      return "matmul";
    default:
      return "primitive";
  }
}

bool HasTrained(const Node& node) {
  return std::any_of(node.parameters.begin(), node.parameters.end(), [](const auto& p) { return p.trained; });
}

}  // namespace

PlanBuilder::PlanBuilder(const Graph& graph, ParameterStore& store, const PlanOptions& options)
    : graph_(graph), store_(store), options_(options), plan_(new Plan()), planned_(graph.nodes().size()) {}

absl::StatusOr<std::unique_ptr<Plan>> PlanBuilder::Build() {
  using Step = absl::Status (PlanBuilder::*)();
  for (Step step : {&PlanBuilder::Forward, &PlanBuilder::AddLoss, &PlanBuilder::Backward, &PlanBuilder::SettleCopies,
                    &PlanBuilder::Place}) {
    if (absl::Status status = (this->*step)(); !status.ok()) return status;
    if (!status_.ok()) return status_;
  }
  return std::move(plan_);
}

// --- What layers ask for.

memory::data_type PlanBuilder::compute_type() const {
  return options_.precision == v1::BF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

v1::ConvolutionAlgorithm PlanBuilder::convolution_algorithm() const {
  auto found = options_.algorithms.find(stage_->node->name);
  return found == options_.algorithms.end() ? v1::DIRECT : found->second;
}

const Activation* PlanBuilder::activation() const {
  return stage_->is_activation ? nullptr : stage_->node->activation.get();
}

Value PlanBuilder::New(const memory::desc& desc) {
  const int id = static_cast<int>(values_.size());
  values_.push_back({.desc = desc, .root = id});
  return {id};
}

Value PlanBuilder::View(Value value, const memory::desc& desc) {
  const Value view = New(desc);
  values_[view.id].root = values_[value.id].root;
  return view;
}

Value PlanBuilder::NewFixed(const memory::desc& desc, void* fixed) {
  for (size_t id = 0; id < values_.size(); ++id) {
    if (values_[id].fixed == fixed && values_[id].desc == desc) return {static_cast<int>(id)};
  }
  const Value value = New(desc);
  values_[value.id].fixed = fixed;
  return value;
}

Value PlanBuilder::NewConstant(const memory::desc& desc) {
  const Value value = New(desc);
  plan_->constants_.emplace_back(desc.get_size());
  values_[value.id].fixed = plan_->constants_.back().data();
  values_[value.id].constant = true;
  if (values_[value.id].fixed == nullptr) Fail(absl::ResourceExhaustedError("no memory for a copy of the parameters"));
  return value;
}

std::vector<Plan::Operation>& PlanBuilder::Target(Value source) {
  return values_[values_[source.id].root].constant && !training() ? plan_->refresh_ : plan_->operations_;
}

Plan::Operation PlanBuilder::ReorderOperation(Value from, Value to) {
  auto reorder = onednn::Reorder(Desc(from), Desc(to));
  if (!reorder.ok()) {
    Fail(reorder.status());
    return {};
  }
  return {.label = Label("reorder"),
          .values = {from.id, to.id},
          .observes = observing_,
          .primitive = reorder->primitive,
          .arguments = {{DNNL_ARG_FROM, from.id}, {DNNL_ARG_TO, to.id}},
          .scratchpad = reorder->desc.scratchpad_desc()};
}

Value PlanBuilder::In(Value value, const memory::desc& wanted) {
  if (Desc(value) == wanted) return value;
  for (const auto& [key, made] : reordered_) {
    if (key.first == value.id && key.second == wanted) return made;
  }
  auto& operations = Target(value);
  const bool refresh = &operations == &plan_->refresh_;
  const Value target = refresh ? NewConstant(wanted) : New(wanted);
  Append(operations, ReorderOperation(value, target));
  if (!observing_) reordered_.push_back({{value.id, wanted}, target});
  return target;
}

Value PlanBuilder::Flat(Value value) {
  const memory::dims dims = onednn::DimsOf(Desc(value));
  const memory::data_type type = onednn::TypeOf(Desc(value));
  int64_t elements = 1;
  for (size_t i = 1; i < dims.size(); ++i) elements *= dims[i];
  const Value plain = In(value, onednn::Plain(dims, type));
  return dims.size() == 2 ? plain : View(plain, onednn::Plain({dims[0], elements}, type));
}

// Brings a value to the dimensions of `like`, both being the same numbers in row-major order.
Value PlanBuilder::Reshaped(Value value, const memory::desc& like) {
  const memory::dims dims = onednn::DimsOf(Desc(value));
  const memory::dims wanted = onednn::DimsOf(like);
  if (dims == wanted) return value;
  const memory::data_type type = onednn::TypeOf(Desc(value));
  return View(In(value, onednn::Plain(dims, type)), onednn::Plain(wanted, type));
}

Value PlanBuilder::Parameter(std::string_view name, const memory::desc& wanted) {
  StoredParameter& parameter = store_.Find(layer_name(), name);
  const bool bf16 = onednn::TypeOf(wanted) == memory::data_type::bf16;
  if (bf16 && training() && !parameter.placed) {
    // The master takes the layout of its gradient, which is not known yet: keep a place for the conversion.
    for (const PendingCopy& pending : pending_copies_) {
      if (pending.parameter == &parameter && Desc(pending.value) == wanted) return pending.value;
    }
    const Value copy = New(wanted);
    pending_copies_.push_back({&parameter, copy, plan_->operations_.size()});
    Append(plan_->operations_, {.label = Label("reorder"), .values = {copy.id}});
    return copy;
  }
  if (!parameter.placed) {
    const bool writable = !bf16 && onednn::BlockingOf(wanted).has_value();
    Fail(store_.Place(parameter, writable ? wanted : onednn::Plain(onednn::DimsOf(wanted), memory::data_type::f32)));
    if (!status_.ok()) return New(wanted);
  }
  if (bf16 && onednn::BlockingOf(wanted) && onednn::WithType(wanted, memory::data_type::f32) == parameter.desc) {
    if (training()) Fail(store_.WantCopy(parameter));
    if (parameter.copy != nullptr) return NewFixed(wanted, parameter.copy);
  }
  const Value master = NewFixed(parameter.desc, parameter.master);
  values_[master.id].constant = true;
  return In(Reshaped(master, wanted), wanted);
}

Value PlanBuilder::JoinedParameters(absl::Span<const std::string_view> names, const memory::desc& wanted) {
  std::vector<StoredParameter*> group;
  for (std::string_view name : names) group.push_back(&store_.Find(layer_name(), name));
  if (!group[0]->placed) Fail(store_.PlaceJoined(group, wanted));
  const Value joined = NewFixed(wanted, group[0]->master);
  values_[joined.id].constant = true;
  return joined;
}

Value PlanBuilder::ParameterGradient(std::string_view name, const memory::desc& desc) {
  StoredParameter& parameter = store_.Find(layer_name(), name);
  if (!parameter.placed) Fail(store_.Place(parameter, desc));
  if (parameter.joined || parameter.desc == desc) return NewFixed(desc, parameter.gradient);
  const Value gradient = New(desc);
  gradient_reorders_.push_back({gradient, NewFixed(parameter.desc, parameter.gradient)});
  return gradient;
}

// --- Operations.

std::string PlanBuilder::Label(std::string_view what) const {
  return stage_ ? absl::StrCat(stage_->node->name, ": ", std::string(what)) : std::string(what);
}

void PlanBuilder::Append(std::vector<Plan::Operation>& operations, Plan::Operation operation) {
  const int index = static_cast<int>(operations.size());
  if (&operations == &plan_->operations_) {
    for (int id : operation.values) {
      Slot& root = values_[values_[id].root];
      if (root.first < 0) root.first = index;
      root.last = index;
    }
  }
  operations.push_back(std::move(operation));
}

void PlanBuilder::Run(const dnnl::primitive& primitive, Arguments arguments, const memory::desc& scratchpad) {
  Plan::Operation operation{
      .label = Label(KindName(primitive.get_kind())), .primitive = primitive, .scratchpad = scratchpad};
  for (const auto& [argument, value] : arguments) {
    if (!value.valid()) continue;
    operation.values.push_back(value.id);
    operation.arguments.push_back({argument, value.id});
  }
  Append(plan_->operations_, std::move(operation));
}

void PlanBuilder::Run(std::string_view label, std::vector<Value> reads, std::vector<Value> writes, Kernel kernel) {
  Plan::Operation operation{.label = Label(label), .observes = observing_, .kernel = std::move(kernel)};
  for (const auto& list : {reads, writes}) {
    for (Value value : list) {
      if (value.valid()) operation.values.push_back(value.id);
    }
  }
  Append(plan_->operations_, std::move(operation));
}

// --- Forward.

absl::Status PlanBuilder::Forward() {
  memory::dims dims = {options_.batch};
  dims.insert(dims.end(), graph_.input_shape().begin(), graph_.input_shape().end());
  network_input_ = New(onednn::Plain(dims, memory::data_type::f32));
  values_[network_input_.id].external = true;
  plan_->input_ = network_input_;
  const Value input = In(network_input_, onednn::Plain(dims, compute_type()));
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    if (absl::Status status = PlanNode(static_cast<int>(i), input); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PlanBuilder::RunStage(Stage& stage, const Layer& layer) {
  stage_ = &stage;
  absl::StatusOr<BackwardPlan> backward = absl::UnknownError("");
  const absl::Status caught = onednn::Guard(stage.node->name, [&] { backward = layer.Plan(*this); });
  stage_ = nullptr;
  if (!caught.ok()) return caught;
  if (!backward.ok()) return backward.status();
  if (!status_.ok()) return status_;
  stage.backward = *std::move(backward);
  stage.input_gradients.resize(stage.inputs.size());
  return absl::OkStatus();
}

absl::Status PlanBuilder::PlanNode(int index, Value network_input) {
  const Node& node = graph_.nodes()[index];
  PlannedNode& planned = planned_[index];
  Stage first{.node = &node, .input_shapes = node.input_shapes};
  bool upstream = false;  // Something before this node is trained.
  for (int i : node.inputs) {
    const bool wanted = i >= 0 && planned_[i].needs_gradient;
    first.inputs.push_back(i < 0 ? network_input : planned_[i].output);
    first.wants_gradient.push_back(wanted);
    upstream |= wanted;
  }
  planned.needs_gradient = backward() && (upstream || HasTrained(node));

  taken_ = Taken::kNo;
  if (node.layer) {
    planned.layer = first;
    planned.layer.output_shape = &node.pre_activation;
    if (absl::Status status = RunStage(planned.layer, *node.layer); !status.ok()) return status;
    planned.output = planned.layer.output;
    first = {.node = &node,
             .inputs = {planned.output},
             .input_shapes = {node.pre_activation},
             .wants_gradient = {planned.needs_gradient}};
  }
  planned.taken = taken_;
  if (node.activation && planned.taken == Taken::kNo) {
    planned.activation = first;
    planned.activation.is_activation = true;
    planned.activation.output_shape = &node.output;
    if (absl::Status status = RunStage(planned.activation, *node.activation); !status.ok()) return status;
    planned.output = planned.activation.output;
  }
  if (options_.observe) Observe(planned, node);
  return absl::OkStatus();
}

void PlanBuilder::Observe(const PlannedNode& planned, const Node& node) {
  Stage stage{.node = &node};
  stage_ = &stage;
  observing_ = true;  // What is appended from here on runs in observed steps only.
  Value output = planned.output;
  if (!Layout::Of(Desc(output))) output = Flat(output);
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

  plan_->observers_.push_back(
      {&node, std::make_unique<LayerObserver>(layout, LayerObserver::Options{.bins = options_.histogram_bins,
                                                                             .dead_window = options_.dead_window,
                                                                             .activation = node.activation.get()})});
  Run("observe", {output, source}, {},
      [observer = plan_->observers_.back().observer.get(), output, source,
       source_layout = source_layout.value_or(layout)](const Frame& frame) {
        observer->Observe(frame.at(output), source.valid() ? frame.at(source) : nullptr, source_layout);
      });
  observing_ = false;
  stage_ = nullptr;
}

absl::Status PlanBuilder::AddLoss() {
  const Value flat = Flat(planned_[graph_.output_index()].output);
  const memory::desc desc = onednn::Plain(onednn::DimsOf(Desc(flat)), memory::data_type::f32);
  logits_ = In(flat, desc);
  plan_->output_ = logits_;
  plan_->outputs_ = onednn::DimsOf(desc)[1];
  if (options_.loss == nullptr) return absl::OkStatus();
  if (backward()) logits_gradient_ = New(desc);
  Run("loss", {logits_}, {logits_gradient_},
      [plan = plan_.get(), loss = options_.loss, logits = logits_, gradient = logits_gradient_](const Frame& frame) {
        plan->loss_sum_ = loss->Compute(frame.at<float>(logits), plan->targets_, plan->count_, plan->outputs_,
                                        gradient.valid() ? frame.at<float>(gradient) : nullptr);
      });
  return absl::OkStatus();
}

// --- Backward.

absl::Status PlanBuilder::Backward() {
  if (!backward()) return absl::OkStatus();
  PlannedNode& last = planned_[graph_.output_index()];
  const memory::dims dims = onednn::DimsOf(Desc(last.output));
  const Value shaped = Reshaped(logits_gradient_, Desc(last.output));
  last.gradients = {In(shaped, onednn::Plain(dims, compute_type()))};
  for (int i = static_cast<int>(planned_.size()) - 1; i >= 0; --i) {
    if (!planned_[i].needs_gradient) continue;
    if (absl::Status status = BackwardNode(i); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PlanBuilder::BackwardNode(int index) {
  const Node& node = graph_.nodes()[index];
  PlannedNode& planned = planned_[index];
  Stage naming{.node = &node};
  stage_ = &naming;
  Value gradient = Sum(planned.gradients);
  if (planned.taken == Taken::kFused) gradient = FusedActivationGradient(planned, gradient);

  // The activation first, where it is a stage of its own, then the layer; what the last one finds goes to the inputs.
  Stage* last = nullptr;
  for (Stage* stage : {&planned.activation, &planned.layer}) {
    if (stage->node == nullptr) continue;
    stage->output_gradient = last ? last->input_gradients[0] : gradient;
    stage_ = stage;
    if (stage->backward) {
      absl::Status status;
      const absl::Status caught = onednn::Guard(node.name, [&] { status = stage->backward(*this); });
      if (!caught.ok()) return caught;
      if (!status.ok()) return status;
    }
    last = stage;
  }
  for (const GradientReorder& reorder : gradient_reorders_) {
    const Value from = Reshaped(reorder.from, Desc(reorder.to));
    Append(plan_->operations_, ReorderOperation(from, reorder.to));
  }
  gradient_reorders_.clear();
  stage_ = nullptr;
  if (!status_.ok()) return status_;

  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (!last->wants_gradient[k]) continue;
    if (!last->input_gradients[k].valid()) {
      return absl::InternalError(absl::StrCat("layer \"", node.name, "\" gave no gradient for its input ", k));
    }
    planned_[node.inputs[k]].gradients.push_back(last->input_gradients[k]);
  }
  return absl::OkStatus();
}

Value PlanBuilder::Sum(const std::vector<Value>& gradients) {
  Value sum = gradients[0];
  for (size_t k = 1; k < gradients.size(); ++k) {
    const memory::desc desc = Desc(sum);
    const Value a = sum;
    const Value b = In(Reshaped(gradients[k], desc), desc);
    const Value to = k == 1 ? New(desc) : sum;  // The first sum of the values is ours to add to.
    const bool bf16 = onednn::TypeOf(desc) == memory::data_type::bf16;
    const int64_t n = static_cast<int64_t>(desc.get_size() / (bf16 ? 2 : 4));
    Run("sum of gradients", {a, b}, {to},
        [=](const Frame& frame) { (bf16 ? Add<Bfloat16> : Add<float>)(frame.at(a), frame.at(b), frame.at(to), n); });
    sum = to;
  }
  return sum;
}

Value PlanBuilder::FusedActivationGradient(const PlannedNode& planned, Value gradient) {
  const Activation* activation = planned.layer.node->activation.get();
  Value output = planned.layer.output;
  if (!Layout::Of(Desc(output))) output = In(output, onednn::Plain(onednn::DimsOf(Desc(output)), compute_type()));
  const memory::desc desc = Desc(output);
  const Value from = In(Reshaped(gradient, desc), desc);
  const Value to = New(desc);
  Run("activation gradient", {output, from}, {to}, [=, layout = *Layout::Of(desc)](const Frame& frame) {
    activation->Backward(layout, frame.at(output), frame.at(from), frame.at(to));
  });
  return to;
}

// --- Memory.

absl::Status PlanBuilder::SettleCopies() {
  for (const PendingCopy& pending : pending_copies_) {
    StoredParameter& parameter = *pending.parameter;
    const memory::desc wanted = Desc(pending.value);
    if (!parameter.placed) {
      const absl::Status placed =
          store_.Place(parameter, onednn::Plain(onednn::DimsOf(wanted), memory::data_type::f32));
      if (!placed.ok()) return placed;
    }
    Plan::Operation& operation = plan_->operations_[pending.operation];
    if (onednn::BlockingOf(wanted) && onednn::WithType(wanted, memory::data_type::f32) == parameter.desc) {
      if (absl::Status status = store_.WantCopy(parameter); !status.ok()) return status;
      values_[pending.value.id].fixed = parameter.copy;
      operation.label.clear();  // The optimizer writes the copy: nothing to do here.
      continue;
    }
    const Value master = NewFixed(parameter.desc, parameter.master);
    operation = ReorderOperation(master, pending.value);
    if (!status_.ok()) return status_;
  }
  return store_.PlaceRest();
}

absl::Status PlanBuilder::Place() {
  // The output is read after the last operation.
  values_[values_[logits_.id].root].last = static_cast<int>(plan_->operations_.size());
  std::vector<Lifetime> lifetimes;
  std::vector<int> roots;
  for (int id = 0; id < static_cast<int>(values_.size()); ++id) {
    const Slot& slot = values_[id];
    if (slot.root != id || slot.fixed != nullptr || slot.external || slot.first < 0) continue;
    lifetimes.push_back({static_cast<int64_t>(slot.desc.get_size()), slot.first, slot.last});
    roots.push_back(id);
  }
  const ArenaLayout layout = PlaceInArena(lifetimes);
  plan_->arena_ = Buffer(layout.bytes);
  size_t scratchpad = 0;
  for (const auto* list : {&plan_->operations_, &plan_->refresh_}) {
    for (const Plan::Operation& operation : *list) {
      if (operation.primitive) scratchpad = std::max(scratchpad, operation.scratchpad.get_size());
    }
  }
  plan_->scratchpad_ = Buffer(scratchpad);
  if ((layout.bytes > 0 && plan_->arena_.data() == nullptr) ||
      (scratchpad > 0 && plan_->scratchpad_.data() == nullptr)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", layout.bytes + scratchpad, " bytes of activations"));
  }
  for (size_t k = 0; k < roots.size(); ++k) values_[roots[k]].fixed = plan_->arena_.data<char>() + layout.offsets[k];

  auto& pointers = plan_->frame_.pointers_;
  for (int id = 0; id < static_cast<int>(values_.size()); ++id) {
    pointers.push_back(values_[values_[id].root].fixed);
    if (values_[values_[id].root].external) plan_->input_values_.push_back(id);
  }
  std::erase_if(plan_->operations_, [](const Plan::Operation& operation) { return operation.label.empty(); });
  plan_->memories_.resize(values_.size());
  for (auto* list : {&plan_->operations_, &plan_->refresh_}) {
    for (Plan::Operation& operation : *list) {
      if (absl::Status status = Bind(operation); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status PlanBuilder::Bind(Plan::Operation& operation) {
  if (!operation.primitive) return absl::OkStatus();
  return onednn::Guard(operation.label, [&] {
    for (const auto& [argument, id] : operation.arguments) {
      memory& bound = plan_->memories_[id];
      if (!bound) {
        void* pointer = plan_->frame_.pointers_[id];
        bound = memory(values_[id].desc, engine(), pointer ? pointer : DNNL_MEMORY_NONE);
      }
      operation.bound.push_back({argument, bound.get()});
    }
    if (operation.scratchpad.get_size() == 0) return;
    operation.scratchpad_memory = memory(operation.scratchpad, engine(), plan_->scratchpad_.data());
    operation.bound.push_back({DNNL_ARG_SCRATCHPAD, operation.scratchpad_memory.get()});
  });
}

}  // namespace traind::core
