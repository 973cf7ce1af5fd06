#include "core/checkpoint/match_weights.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/listing.h"

namespace traind::core {
namespace {

constexpr size_t kMostNamed = 20;  // Tensors in a sentence.
// Of PyTorch's batch norm: how many minibatches its running moments have seen, which nothing here reads.
constexpr char kBatchCount[] = "num_batches_tracked";

std::string TensorNames(const std::vector<std::string>& names) { return Listing(names, kMostNamed); }

// What of the file is not the network's.
void FindUnused(const Safetensors& file, const std::set<std::string>& known, WeightsMatch& match) {
  for (const auto& entry : file.entries()) {
    if (!known.contains(entry.name)) match.unused.push_back(entry.name);
  }
  for (const auto& entry : file.integers()) {
    const bool counts = absl::EndsWith(entry.name, kBatchCount) && !known.contains(entry.name);
    (counts ? match.skipped : match.unused).push_back(absl::StrCat(entry.name, " (", entry.dtype, ")"));
  }
}

}  // namespace

WeightsMatch MatchWeights(const Safetensors& file, absl::Span<const NeededTensor> network) {
  WeightsMatch match;
  std::set<std::string> known, converted;
  for (const NeededTensor& needed : network) {
    known.insert(needed.name);
    const Safetensors::Entry* entry = file.Find(needed.name);
    if (entry == nullptr) {
      match.missing.push_back(needed.name);
    } else if (entry->shape != needed.shape) {
      match.misshapen.push_back(absl::StrCat(needed.name, ": has shape ", core::ToString(entry->shape),
                                             ", the network needs ", core::ToString(needed.shape)));
    } else {
      ++match.fitting;
      if (entry->type != Safetensors::Type::kFloat32) converted.insert(entry->dtype);
    }
  }
  match.converted.assign(converted.begin(), converted.end());
  FindUnused(file, known, match);
  return match;
}

std::vector<std::string> WeightsMatch::Problems(bool allow_missing) const {
  std::vector<std::string> problems = misshapen;
  if (allow_missing) {
    const bool nothing = fitting == 0 && problems.empty() && !missing.empty();
    if (nothing) {
      problems.push_back(absl::StrCat("none of its tensors is one of the network: it has ", TensorNames(unused),
                                      ", the network needs ", TensorNames(missing)));
    }
    return problems;
  }
  for (const std::string& name : missing) problems.push_back(absl::StrCat(name, ": is missing"));
  for (const std::string& name : unused) problems.push_back(absl::StrCat(name, ": the network has no such tensor"));
  return problems;
}

std::string WeightsMatch::ToString() const {
  std::string text = absl::StrCat(fitting, fitting == 1 ? " tensor loaded" : " tensors loaded");
  if (!converted.empty()) absl::StrAppend(&text, " (from ", absl::StrJoin(converted, ", "), ")");
  if (!missing.empty()) absl::StrAppend(&text, "; not in the file, and so initialized: ", TensorNames(missing));
  if (!unused.empty()) absl::StrAppend(&text, "; in the file, but not in the network: ", TensorNames(unused));
  if (!skipped.empty()) absl::StrAppend(&text, "; skipped, as nothing needs them: ", TensorNames(skipped));
  return text;
}

}  // namespace traind::core
