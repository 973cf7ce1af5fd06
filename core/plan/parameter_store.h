// The parameters of a network in memory: the float32 master of each tensor, its gradient, the optimizer's state and,
// for bfloat16, the copy that the kernels read. They live in the layout the kernels chose; Get and Set speak the public
// layout. The first plan made over the store decides the layouts; later ones adapt.
//
// Not thread-safe; pointers stay valid for the store's life.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/bfloat16.h"
#include "core/graph/graph.h"
#include "core/graph/parameter_rules.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/update.h"
#include "core/tensor/buffer.h"
#include "core/tensor/tensor.h"

namespace traind::core {

// One tensor of one layer.
struct StoredParameter {
  std::string name;           // "<layer>.weight"
  const ParameterSpec* spec;  // Of the graph.
  PenaltyStrength penalty;
  dnnl::memory::desc desc;  // Of master, gradient and slots; float32. Its dims may split or join spec->shape.
  bool placed = false;      // The layout is decided and the memory is there.
  bool joined = false;      // Part of a group that a kernel reads as one tensor.
  float* master = nullptr;
  float* gradient = nullptr;  // Null unless trained.
  Bfloat16* copy = nullptr;   // bfloat16 in the same layout, kept up to date by the optimizer; null if not wanted.
  std::array<float*, Optimizer::kMaxSlots> slots = {};
  const float* mask = nullptr;  // What pruning has left: 1 or 0 for each element; null where nothing is pruned.
  ParameterTreatment treatment;
  bool frozen = false;  // By its treatment, in the steps of this run.
  int64_t stored_elements() const { return static_cast<int64_t>(desc.get_size() / sizeof(float)); }
};

class ParameterStore {
 public:
  // kCounted takes no memory: addresses are made up and must not be read, and bytes() says what a real store takes.
  enum class Memory { kReal, kCounted };
  // `num_slots` floats of optimizer state for each trained weight; with `trainable` false there are no gradients
  // either.
  ParameterStore(const Graph& graph, bool trainable, int num_slots, Memory memory = Memory::kReal);
  bool counted() const { return memory_ == Memory::kCounted; }

  // In the order of the graph.
  std::vector<StoredParameter>& parameters() { return parameters_; }
  const std::vector<StoredParameter>& parameters() const { return parameters_; }
  StoredParameter& Find(std::string_view layer, std::string_view name);

  // Decides layout and memory. `desc` is float32.
  absl::Status Place(StoredParameter& parameter, const dnnl::memory::desc& desc);
  // The same for a group that a kernel reads one behind the other; `desc` is plain, of all together.
  absl::Status PlaceJoined(absl::Span<StoredParameter* const> group, const dnnl::memory::desc& desc);
  // Makes the bfloat16 copy of a placed parameter, where there is none.
  absl::Status WantCopy(StoredParameter& parameter);
  // Places what no kernel asked for in the public layout.
  absl::Status PlaceRest();

  // How the tensors are trained from `step` on, one treatment for each in the order of the graph; empty: as usual.
  // Before the first plan.
  void Treat(absl::Span<const ParameterTreatment> treatments, uint64_t step);

  // --- From here on everything is placed. `values` are row-major in the public layout, spec->shape elements.
  void Initialize(uint64_t seed);
  void Get(const StoredParameter& parameter, const float* from, absl::Span<float> values) const;
  void Set(const StoredParameter& parameter, float* to, absl::Span<const float> values);
  // Brings the bfloat16 copies up to date with the masters.
  void UpdateCopies();
  // Zeroed memory of the parameter's size and layout, which lives as long as the store.
  absl::StatusOr<float*> Reserve(const StoredParameter& parameter);

  int64_t bytes() const { return bytes_; }

 private:
  absl::StatusOr<float*> Allocate(int64_t elements);

  const bool trainable_;
  const int num_slots_;
  const Memory memory_;
  std::vector<StoredParameter> parameters_;
  absl::flat_hash_map<std::string, size_t> index_;  // By name.
  std::vector<Buffer> buffers_;
  int64_t bytes_ = 0;
};

// What the optimizer's pass works on: the trained parameters in the order of the store, without frozen ones.
// `coupled_decay` is that of weights proper.
std::vector<ParameterTensor> UpdateTensors(const ParameterStore& store, double coupled_decay = 0);

}  // namespace traind::core
