#include "core/train/model.h"

#include <omp.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/finite.h"
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

namespace {

constexpr size_t kMostNamed = 20;  // Tensors in a sentence.
// Of PyTorch's batch norm: how many minibatches its running moments have seen, which nothing here reads.
constexpr char kBatchCount[] = "num_batches_tracked";

std::string Names(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kMostNamed);
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      shown < names.size() ? absl::StrCat(" and ", names.size() - shown, " more") : "");
}

// Says what of the file is not the network's.
void FindUnused(const Safetensors& file, const absl::flat_hash_set<std::string>& known, LoadedWeights& loaded) {
  for (const auto& entry : file.entries()) {
    if (!known.contains(entry.name)) loaded.unused.push_back(entry.name);
  }
  for (const auto& entry : file.integers()) {
    const bool counts = absl::EndsWith(entry.name, kBatchCount) && !known.contains(entry.name);
    (counts ? loaded.skipped : loaded.unused).push_back(absl::StrCat(entry.name, " (", entry.dtype, ")"));
  }
}

}  // namespace

std::string LoadedWeights::ToString() const {
  std::string text = absl::StrCat(loaded, loaded == 1 ? " tensor loaded" : " tensors loaded");
  if (!converted.empty()) absl::StrAppend(&text, " (from ", absl::StrJoin(converted, ", "), ")");
  if (!missing.empty()) absl::StrAppend(&text, "; not in the file, and so initialized: ", Names(missing));
  if (!unused.empty()) absl::StrAppend(&text, "; in the file, but not in the network: ", Names(unused));
  if (!skipped.empty()) absl::StrAppend(&text, "; skipped, as nothing needs them: ", Names(skipped));
  return text;
}

absl::StatusOr<LoadedWeights> LoadWeights(const std::string& path, bool allow_missing, ParameterStore& store) {
  auto file = Safetensors::Open(path);
  if (!file.ok()) return file.status();
  LoadedWeights loaded;
  std::string problems;
  std::vector<float> values;
  absl::flat_hash_set<std::string> known;
  std::set<std::string> converted;
  for (StoredParameter& parameter : store.parameters()) {
    known.insert(parameter.name);
    const auto* entry = file->Find(parameter.name);
    if (entry == nullptr) {
      loaded.missing.push_back(parameter.name);
      continue;
    }
    if (entry->shape != parameter.spec->shape) {
      absl::StrAppend(&problems, "\n", parameter.name, ": has shape ", core::ToString(entry->shape),
                      ", the network needs ", core::ToString(parameter.spec->shape));
      continue;
    }
    ++loaded.loaded;
    if (entry->type != Safetensors::Type::kFloat32) converted.insert(entry->dtype);
    if (!problems.empty()) continue;
    values.resize(Elements(entry->shape));
    file->Read(*entry, absl::MakeSpan(values));
    if (!AllFinite(values.data(), static_cast<int64_t>(values.size()))) {
      absl::StrAppend(&problems, "\n", parameter.name, ": has values that are not finite numbers");
      continue;
    }
    store.Set(parameter, parameter.master, values);
  }
  loaded.converted.assign(converted.begin(), converted.end());
  FindUnused(*file, known, loaded);
  for (const std::string& name : loaded.missing) {
    if (!allow_missing) absl::StrAppend(&problems, "\n", name, ": is missing");
  }
  for (const std::string& name : loaded.unused) {
    if (!allow_missing) absl::StrAppend(&problems, "\n", name, ": the network has no such tensor");
  }
  if (problems.empty() && loaded.loaded == 0 && !known.empty()) {
    absl::StrAppend(&problems, " none of its tensors is one of the network: it has ", Names(loaded.unused),
                    ", the network needs ", Names(loaded.missing));
  }
  if (!problems.empty())
    return absl::InvalidArgumentError(absl::StrCat("the weights do not fit the network:", problems));
  store.UpdateCopies();
  return loaded;
}

}  // namespace traind::core
