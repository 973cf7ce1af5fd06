#include "core/checkpoint/match_weights.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/enum_name.h"
#include "core/base/listing.h"
#include "core/checkpoint/published_names.h"
#include "core/checkpoint/weight_rules.h"

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

// Whether the numbers of a file's tensor are those of the network's, in their order: of timm's vgg the dense layers are
// convolutions.
bool Fits(const Shape& of_file, const Shape& needed, v1::InitialWeights::Names names) {
  if (of_file == needed) return true;
  return names == v1::InitialWeights::NAMES_TIMM && needed.size() == 2 && of_file.size() == 4 &&
         of_file[0] == needed[0] && of_file[1] * of_file[2] * of_file[3] == needed[1];
}

WeightsMatch MatchBy(v1::InitialWeights::Names names, const Safetensors& file, absl::Span<const NeededTensor> network,
                     const v1::InitialWeights& wanted) {
  std::vector<std::string> own;
  for (const NeededTensor& needed : network) own.push_back(needed.name);
  const PublishedNames published(own, names);
  WeightsMatch match;
  match.names = names;
  match.strange = names != v1::InitialWeights::NAMES_NETWORK && !published.known();
  std::set<std::string> known, converted;
  std::vector<bool> decides(static_cast<size_t>(wanted.rules_size()));
  for (const NeededTensor& needed : network) {
    match.sources.push_back(nullptr);
    WeightSource source = SourceOf(needed.name, wanted);
    if (source.rule >= 0) decides[static_cast<size_t>(source.rule)] = true;
    if (source.rule < 0) source.name = published.Of(needed.name).value_or(needed.name);
    known.insert(source.name.value_or(needed.name));
    if (!source.name.has_value()) {
      match.by_rule.push_back(needed.name);
      continue;
    }
    const bool renamed = *source.name != needed.name;
    const std::string name = renamed ? absl::StrCat(needed.name, " (from ", *source.name, ")") : needed.name;
    const Safetensors::Entry* entry = file.Find(*source.name);
    if (entry == nullptr) {
      match.missing.push_back(name);
    } else if (!Fits(entry->shape, needed.shape, names)) {
      match.misshapen.push_back(absl::StrCat(name, ": has shape ", core::ToString(entry->shape), ", the network needs ",
                                             core::ToString(needed.shape)));
    } else {
      match.sources.back() = entry;
      ++match.fitting;
      if (entry->type != Safetensors::Type::kFloat32) converted.insert(entry->dtype);
    }
  }
  match.converted.assign(converted.begin(), converted.end());
  for (size_t i = 0; i < decides.size(); ++i) {
    if (!decides[i]) match.idle_rules.push_back(static_cast<int>(i));
  }
  FindUnused(file, known, match);
  return match;
}

}  // namespace

WeightsMatch MatchWeights(const Safetensors& file, absl::Span<const NeededTensor> network,
                          const v1::InitialWeights& wanted) {
  if (wanted.names() != v1::InitialWeights::NAMES_UNSPECIFIED) return MatchBy(wanted.names(), file, network, wanted);
  WeightsMatch best = MatchBy(v1::InitialWeights::NAMES_NETWORK, file, network, wanted);
  for (const auto names : {v1::InitialWeights::NAMES_TORCHVISION, v1::InitialWeights::NAMES_TIMM}) {
    if (best.missing.empty()) break;
    WeightsMatch match = MatchBy(names, file, network, wanted);
    if (match.found() > best.found()) best = std::move(match);
  }
  return best;
}

std::vector<std::string> WeightsMatch::Problems(const v1::InitialWeights& wanted) const {
  std::vector<std::string> problems;
  if (strange) {
    return {absl::StrCat("names: ", EnumName(names), " are of alexnet (torchvision: true), vgg16, resnet and densenet ",
                         "(stem: IMAGENET), by the layers' names of their presets, and this network is none of them")};
  }
  const bool skips_misshapen = wanted.on_mismatch() == v1::InitialWeights::MISMATCH_SKIP;
  if (!skips_misshapen) problems = misshapen;
  if (!wanted.allow_missing()) {
    for (const std::string& name : missing) problems.push_back(absl::StrCat(name, ": is missing"));
    for (const std::string& name : unused) problems.push_back(absl::StrCat(name, ": nothing in the network takes it"));
    if (!skips_misshapen || !problems.empty()) return problems;
  }
  const bool nothing = fitting == 0 && problems.empty() && !sources.empty();
  if (nothing && !misshapen.empty()) {
    problems.push_back(absl::StrCat("none of its tensors fits the network: ", absl::StrJoin(misshapen, "; ")));
  } else if (nothing && !missing.empty()) {
    problems.push_back(absl::StrCat("none of its tensors is one of the network: it has ", TensorNames(unused),
                                    ", the network needs ", TensorNames(missing)));
  }
  return problems;
}

std::string WeightsMatch::ToString() const {
  std::string text = absl::StrCat(fitting, fitting == 1 ? " tensor loaded" : " tensors loaded");
  if (names != v1::InitialWeights::NAMES_NETWORK) absl::StrAppend(&text, " by the names of ", EnumName(names));
  if (!converted.empty()) absl::StrAppend(&text, " (from ", absl::StrJoin(converted, ", "), ")");
  if (!missing.empty()) absl::StrAppend(&text, "; not in the file, and so initialized: ", TensorNames(missing));
  if (!misshapen.empty()) absl::StrAppend(&text, "; of another shape, and so initialized: ", TensorNames(misshapen));
  if (!by_rule.empty()) absl::StrAppend(&text, "; initialized, as a rule says: ", TensorNames(by_rule));
  if (!unused.empty()) absl::StrAppend(&text, "; in the file, but not in the network: ", TensorNames(unused));
  if (!skipped.empty()) absl::StrAppend(&text, "; skipped, as nothing needs them: ", TensorNames(skipped));
  return text;
}

}  // namespace traind::core
