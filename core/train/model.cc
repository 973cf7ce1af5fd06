#include "core/train/model.h"

#include <omp.h>

#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/checkpoint/safetensors.h"
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
    model.loss = Registry<Loss>::Get().Create(config, errors.scope("loss"));
  }
  if (!errors.ok()) return errors.ToStatus();
  model.store = std::make_unique<ParameterStore>(*model.graph, trainable, num_slots);
  return model;
}

absl::Status LoadWeights(const std::string& path, bool allow_missing, ParameterStore& store) {
  auto file = Safetensors::Open(path);
  if (!file.ok()) return file.status();
  std::string problems;
  std::vector<float> values;
  absl::flat_hash_set<std::string> known;
  for (StoredParameter& parameter : store.parameters()) {
    known.insert(parameter.name);
    const auto* entry = file->Find(parameter.name);
    if (entry == nullptr) {
      if (!allow_missing) absl::StrAppend(&problems, "\n", parameter.name, ": is missing");
      continue;
    }
    if (entry->shape != parameter.spec->shape) {
      absl::StrAppend(&problems, "\n", parameter.name, ": has shape ", ToString(entry->shape), ", the network needs ",
                      ToString(parameter.spec->shape));
      continue;
    }
    if (!problems.empty()) continue;
    values.resize(Elements(entry->shape));
    file->Read(*entry, absl::MakeSpan(values));
    store.Set(parameter, parameter.master, values);
  }
  for (const auto& entry : file->entries()) {
    if (!known.contains(entry.name)) absl::StrAppend(&problems, "\n", entry.name, ": the network has no such tensor");
  }
  if (!problems.empty())
    return absl::InvalidArgumentError(absl::StrCat("the weights do not fit the network:", problems));
  store.UpdateCopies();
  return absl::OkStatus();
}

}  // namespace traind::core
