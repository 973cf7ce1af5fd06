#include "core/train/model.h"

#include <omp.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/finite.h"
#include "core/checkpoint/safetensors.h"
#include "core/job/class_balance.h"
#include "core/onednn/onednn.h"

namespace traind::core {

absl::Status PrepareEngine(uint32_t threads, v1::Precision precision) {
  omp_set_num_threads(static_cast<int>(threads));
  if (precision == v1::PRECISION_BF16 && !onednn::SupportsBf16()) {
    return absl::FailedPreconditionError(
        absl::StrCat("precision BF16 needs a CPU with AVX-512 BF16; this one has ", onednn::InstructionSet()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Model> MakeModel(v1::Network network, const v1::Loss* loss, bool trainable, int num_slots) {
  FieldErrors::Root errors;
  Model model;
  model.graph = Graph::Build(network, errors.scope("network"));
  if (loss != nullptr) {
    v1::Loss config = *loss;
    if (IsBalanced(config)) return absl::InvalidArgumentError("loss: the balanced class weights were not counted");
    model.loss = Registry<Loss>::Get().Create(config, errors.scope("loss"));
  }
  if (!errors.ok()) return errors.ToStatus();
  model.store = std::make_unique<ParameterStore>(*model.graph, trainable, num_slots);
  return model;
}

absl::StatusOr<WeightsMatch> LoadWeights(const std::string& path, ParameterStore& store,
                                         const v1::InitialWeights& wanted) {
  auto file = Safetensors::Open(path);
  if (!file.ok()) return file.status();
  std::vector<NeededTensor> network;
  for (const StoredParameter& parameter : store.parameters())
    network.push_back({parameter.name, parameter.spec->shape});
  WeightsMatch match = MatchWeights(*file, network, wanted);
  if (const std::vector<std::string> problems = match.Problems(wanted); !problems.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights do not fit the network:\n", absl::StrJoin(problems, "\n")));
  }
  std::string bad;
  std::vector<float> values;
  for (size_t i = 0; i < network.size(); ++i) {
    StoredParameter& parameter = store.parameters()[i];
    const Safetensors::Entry* entry = match.sources[i];
    if (entry == nullptr) continue;
    values.resize(Elements(entry->shape));
    file->Read(*entry, absl::MakeSpan(values));
    if (!AllFinite(values.data(), static_cast<int64_t>(values.size()))) {
      absl::StrAppend(&bad, "\n", parameter.name, ": has values that are not finite numbers");
    }
    store.Set(parameter, parameter.master, values);
  }
  if (!bad.empty()) return absl::InvalidArgumentError(absl::StrCat("the weights cannot be used:", bad));
  store.UpdateCopies();
  match.sources.clear();
  return match;
}

}  // namespace traind::core
