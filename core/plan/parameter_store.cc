#include "core/plan/parameter_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/kinds/initializer.h"
#include "core/onednn/desc.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

dnnl::memory::desc PublicDesc(const Shape& shape) {
  return onednn::Plain(dnnl::memory::dims(shape.begin(), shape.end()), dnnl::memory::data_type::f32);
}

// Row-major, with the dimensions of `desc`: the numbers of the public layout in their order.
dnnl::memory::desc PlainLike(const dnnl::memory::desc& desc) {
  return onednn::Plain(onednn::DimsOf(desc), dnnl::memory::data_type::f32);
}

// Copies with a change of layout or type; both memories are ours and live until the copy is done.
void Reorder(const dnnl::memory::desc& from_desc, const void* from, const dnnl::memory::desc& to_desc, void* to) {
  const dnnl::engine& engine = onednn::Engine();
  dnnl::memory source(from_desc, engine, const_cast<void*>(from));
  dnnl::memory target(to_desc, engine, to);
  dnnl::stream stream(engine);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
}

void UpdateCopy(StoredParameter& parameter) {
  ParallelFor(parameter.stored_elements(), 4096, [&](int64_t begin, int64_t end, int) {
    Round(parameter.master + begin, end - begin, parameter.copy + begin);
  });
}

}  // namespace

ParameterStore::ParameterStore(const Graph& graph, bool trainable, int num_slots, Memory memory)
    : trainable_(trainable), num_slots_(trainable ? num_slots : 0), memory_(memory) {
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& spec : node.parameters) {
      StoredParameter parameter;
      parameter.name = absl::StrCat(node.name, ".", spec.name);
      parameter.spec = &spec;
      if (spec.trained) parameter.penalty = node.penalties[spec.group];
      index_.emplace(parameter.name, parameters_.size());
      parameters_.push_back(std::move(parameter));
    }
  }
}

StoredParameter& ParameterStore::Find(std::string_view layer, std::string_view name) {
  return parameters_[index_.at(absl::StrCat(std::string(layer), ".", std::string(name)))];
}

void ParameterStore::Treat(absl::Span<const ParameterTreatment> treatments, uint64_t step) {
  for (size_t i = 0; i < treatments.size(); ++i) {
    parameters_[i].treatment = treatments[i];
    parameters_[i].frozen = parameters_[i].spec->trained && treatments[i].FrozenAfter(step);
  }
}

absl::StatusOr<float*> ParameterStore::Allocate(int64_t elements) {
  const int64_t before = std::exchange(bytes_, bytes_ + elements * int64_t{sizeof(float)});
  // An address tells tensors apart, so that it must not be null and no other's.
  if (counted()) return reinterpret_cast<float*>(before + int64_t{Buffer::kAlignment});  // NOLINT(*-no-int-to-ptr)
  Buffer buffer(elements * sizeof(float));
  if (buffer.data() == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", elements * sizeof(float), " bytes of parameters"));
  }
  buffers_.push_back(std::move(buffer));
  return buffers_.back().data<float>();
}

absl::Status ParameterStore::Place(StoredParameter& parameter, const dnnl::memory::desc& desc) {
  StoredParameter* alone = &parameter;
  return PlaceJoined({&alone, 1}, desc);
}

absl::Status ParameterStore::PlaceJoined(absl::Span<StoredParameter* const> group, const dnnl::memory::desc& desc) {
  const int64_t elements = desc.get_size() / sizeof(float);
  auto master = Allocate(elements);
  if (!master.ok()) return master.status();
  const bool trained = trainable_ && group[0]->spec->trained;
  float* gradient = nullptr;
  std::array<float*, Optimizer::kMaxSlots> slots = {};
  for (int i = -1; trained && i < num_slots_; ++i) {
    auto memory = Allocate(elements);
    if (!memory.ok()) return memory.status();
    (i < 0 ? gradient : slots[i]) = *memory;
  }
  const int64_t each = elements / static_cast<int64_t>(group.size());
  for (size_t k = 0; k < group.size(); ++k) {
    StoredParameter& parameter = *group[k];
    const int64_t offset = each * static_cast<int64_t>(k);
    parameter.placed = true;
    parameter.joined = group.size() > 1;
    parameter.desc = parameter.joined ? PublicDesc(parameter.spec->shape) : desc;
    parameter.master = *master + offset;
    if (!trained) continue;
    parameter.gradient = gradient + offset;
    for (int i = 0; i < num_slots_; ++i) parameter.slots[i] = slots[i] + offset;
  }
  return absl::OkStatus();
}

absl::Status ParameterStore::WantCopy(StoredParameter& parameter) {
  if (parameter.copy != nullptr) return absl::OkStatus();
  auto memory = Allocate((parameter.stored_elements() + 1) / 2);
  if (!memory.ok()) return memory.status();
  parameter.copy = reinterpret_cast<Bfloat16*>(*memory);
  if (!counted()) UpdateCopy(parameter);
  return absl::OkStatus();
}

absl::StatusOr<float*> ParameterStore::Reserve(const StoredParameter& parameter) {
  return Allocate(parameter.stored_elements());
}

absl::Status ParameterStore::PlaceRest() {
  for (StoredParameter& parameter : parameters_) {
    if (parameter.placed) continue;
    if (absl::Status status = Place(parameter, PublicDesc(parameter.spec->shape)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ParameterStore::Initialize(uint64_t seed) {
  std::vector<float> values;
  for (StoredParameter& parameter : parameters_) {
    const ParameterSpec& spec = *parameter.spec;
    values.resize(Elements(spec.shape));
    v1::Initializer config = spec.initializer;
    FieldErrors::Root errors;  // The graph has validated the config; a violation here cannot be.
    const auto initializer = Registry<Initializer>::Get().Create(config, errors.scope());
    initializer->Fill(spec.shape, {.in = spec.fan_in, .out = spec.fan_out},
                      RandomStream(seed, Purpose::kInitialize, StreamOf(parameter.name)), absl::MakeSpan(values));
    Set(parameter, parameter.master, values);
  }
  UpdateCopies();
}

void ParameterStore::Get(const StoredParameter& parameter, const float* from, absl::Span<float> values) const {
  Reorder(parameter.desc, from, PlainLike(parameter.desc), values.data());
}

void ParameterStore::Set(const StoredParameter& parameter, float* to, absl::Span<const float> values) {
  Reorder(PlainLike(parameter.desc), values.data(), parameter.desc, to);
}

void ParameterStore::UpdateCopies() {
  for (StoredParameter& parameter : parameters_) {
    if (parameter.copy != nullptr) UpdateCopy(parameter);
  }
}

std::vector<ParameterTensor> UpdateTensors(const ParameterStore& store, double coupled_decay) {
  std::vector<ParameterTensor> tensors;
  for (const StoredParameter& parameter : store.parameters()) {
    if (!parameter.spec->trained || parameter.frozen) continue;
    const ParameterTreatment& treatment = parameter.treatment;
    const bool decayed = parameter.spec->penalized;
    const double usual_decay = decayed ? coupled_decay * treatment.weight_decay_multiplier : 0;
    tensors.push_back({.weights = parameter.master,
                       .gradients = parameter.gradient,
                       .slots = parameter.slots,
                       .bf16_copy = parameter.copy,
                       .mask = parameter.mask,
                       .stored = parameter.stored_elements(),
                       .elements = Elements(parameter.spec->shape),
                       .penalty = parameter.penalty,
                       .decayed = decayed,
                       .weight_decay_multiplier = decayed ? treatment.weight_decay_multiplier : 0,
                       .weight_decay = treatment.weight_decay,
                       .coupled_decay = treatment.coupled_weight_decay.value_or(usual_decay),
                       .learning_rate_factor = parameter.spec->learning_rate_factor * treatment.learning_rate_factor});
  }
  return tensors;
}

}  // namespace traind::core
