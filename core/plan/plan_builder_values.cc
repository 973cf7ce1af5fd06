// The Planner that the layers see: values, parameters and operations; and, at the end, where each value lives.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"
#include "core/plan/arena.h"
#include "core/plan/plan_builder.h"

namespace traind::core {
namespace {

using dnnl::memory;

std::string_view PrimitiveName(dnnl::primitive::kind kind) {
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
    case dnnl::primitive::kind::lrn:
      return "local response normalization";
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

}  // namespace

// --- What layers ask for.

memory::data_type PlanBuilder::compute_type() const {
  return options_.precision == v1::PRECISION_BF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

v1::ConvolutionAlgorithm PlanBuilder::convolution_algorithm() const {
  auto found = options_.algorithms.find(stage_->node->name);
  return found == options_.algorithms.end() ? v1::CONVOLUTION_ALGORITHM_DIRECT : found->second;
}

const Activation* PlanBuilder::activation() const {
  return stage_->is_activation || options_.inspect ? nullptr : stage_->node->activation.get();
}

Value PlanBuilder::New(const memory::desc& desc) {
  const int id = static_cast<int>(values_.size());
  values_.push_back({.desc = desc, .root = id, .skips = skipping_});
  return {id};
}

Value PlanBuilder::View(Value value, const memory::desc& desc) {
  const Value view = New(desc);
  values_[view.id].root = values_[value.id].root;
  return view;
}

Value PlanBuilder::NewFixed(const memory::desc& desc, void* fixed) {
  std::vector<Value>& there = fixed_[fixed];
  for (Value value : there) {
    if (Desc(value) == desc) return value;
  }
  there.push_back(New(desc));
  values_[there.back().id].fixed = fixed;
  return there.back();
}

Value PlanBuilder::NewConstant(const memory::desc& desc) {
  const Value value = New(desc);
  values_[value.id].constant = true;
  plan_->bytes_.copies += static_cast<int64_t>(desc.get_size());
  if (store_.counted()) return value;
  plan_->constants_.emplace_back(desc.get_size());
  values_[value.id].fixed = plan_->constants_.back().data();
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
          .desc = reorder->desc,
          .arguments = {{DNNL_ARG_FROM, from.id}, {DNNL_ARG_TO, to.id}}};
}

Value PlanBuilder::In(Value value, const memory::desc& wanted) {
  if (Desc(value) == wanted) return value;
  for (Value made : reordered_[value.id]) {
    const std::vector<int>& skips = values_[made.id].skips;
    if (Desc(made) == wanted && std::includes(skipping_.begin(), skipping_.end(), skips.begin(), skips.end()))
      return made;
  }
  auto& operations = Target(value);
  const bool refresh = &operations == &plan_->refresh_;
  // Others may read it, too: it is skipped only where both what it reads and who asks for it are.
  const std::vector<int>& source = values_[values_[value.id].root].skips;
  std::vector<int> both;
  std::set_intersection(source.begin(), source.end(), skipping_.begin(), skipping_.end(), std::back_inserter(both));
  std::swap(skipping_, both);
  const Value target = refresh ? NewConstant(wanted) : New(wanted);
  Append(operations, ReorderOperation(value, target));
  std::swap(skipping_, both);
  if (!observing_) reordered_[value.id].push_back(target);
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
  if (bf16 && onednn::SameLayout(wanted, parameter.desc)) {
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
    operation.skips = skipping_;
  }
  operations.push_back(Needed(std::move(operation)));
}

Plan::Operation PlanBuilder::Needed(Plan::Operation operation) {
  if (operation.desc) scratchpad_ = std::max(scratchpad_, operation.desc.scratchpad_desc().get_size());
  if (store_.counted()) {
    operation.desc = {};
    operation.kernel = {};
  }
  return operation;
}

void PlanBuilder::Run(const dnnl::primitive_desc_base& desc, Arguments arguments) {
  Plan::Operation operation{.label = Label(PrimitiveName(onednn::KindOf(desc))), .desc = desc};
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
    if (onednn::SameLayout(wanted, parameter.desc)) {
      if (absl::Status status = store_.WantCopy(parameter); !status.ok()) return status;
      values_[pending.value.id].fixed = parameter.copy;
      operation.label.clear();  // The optimizer writes the copy: nothing to do here.
      continue;
    }
    const Value master = NewFixed(parameter.desc, parameter.master);
    operation = Needed(ReorderOperation(master, pending.value));
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
    if (store_.counted() && slot.constant) continue;  // Counted as a copy.
    lifetimes.push_back({static_cast<int64_t>(slot.desc.get_size()), slot.first, slot.last});
    roots.push_back(id);
  }
  const ArenaLayout layout = PlaceInArena(lifetimes);
  plan_->bytes_.values = layout.bytes;
  plan_->bytes_.scratchpad = static_cast<int64_t>(scratchpad_);
  plan_->bytes_.operations =
      static_cast<int>(plan_->operations_.size() + plan_->refresh_.size() + plan_->unfused_.size());
  if (store_.counted()) return absl::OkStatus();
  if (absl::Status status = TakeMemory(); !status.ok()) return status;
  for (size_t k = 0; k < roots.size(); ++k) values_[roots[k]].fixed = arena_ + layout.offsets[k];

  auto& pointers = plan_->frame_.pointers_;
  for (int id = 0; id < static_cast<int>(values_.size()); ++id) {
    pointers.push_back(values_[values_[id].root].fixed);
    if (values_[values_[id].root].external) plan_->input_values_.push_back(id);
  }
  std::erase_if(plan_->operations_, [](const Plan::Operation& operation) { return operation.label.empty(); });
  plan_->memories_.resize(values_.size());
  for (auto* list : {&plan_->operations_, &plan_->refresh_, &plan_->unfused_}) {
    for (Plan::Operation& operation : *list) {
      if (absl::Status status = Bind(operation); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status PlanBuilder::TakeMemory() {
  const PlanBytes& wanted = plan_->bytes_;
  const Plan* lender = options_.memory_of;
  if (lender != nullptr && wanted.FitsInto(lender->bytes_)) {
    arena_ = lender->arena_.data<char>();
    scratch_ = lender->scratchpad_.data<char>();
    return absl::OkStatus();
  }
  plan_->arena_ = Buffer(static_cast<size_t>(wanted.values));
  plan_->scratchpad_ = Buffer(scratchpad_);
  arena_ = plan_->arena_.data<char>();
  scratch_ = plan_->scratchpad_.data<char>();
  if ((wanted.values == 0 || arena_ != nullptr) && (scratchpad_ == 0 || scratch_ != nullptr)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("no memory for ", wanted.values + wanted.scratchpad, " bytes of activations"));
}

absl::Status PlanBuilder::Bind(Plan::Operation& operation) {
  if (!operation.desc) return absl::OkStatus();
  auto primitive = onednn::MakePrimitive(operation.desc);
  if (!primitive.ok()) return primitive.status();
  operation.primitive = *std::move(primitive);
  return onednn::Guard(operation.label, [&] {
    for (const auto& [argument, id] : operation.arguments) {
      memory& bound = plan_->memories_[id];
      if (!bound) {
        void* pointer = plan_->frame_.pointers_[id];
        bound = memory(values_[id].desc, engine(), pointer ? pointer : DNNL_MEMORY_NONE);
      }
      operation.bound.push_back({argument, bound.get()});
    }
    const memory::desc scratchpad = operation.desc.scratchpad_desc();
    operation.desc = {};
    if (scratchpad.get_size() == 0) return;
    operation.scratchpad_memory = memory(scratchpad, engine(), scratch_);
    operation.bound.push_back({DNNL_ARG_SCRATCHPAD, operation.scratchpad_memory.get()});
  });
}

}  // namespace traind::core
