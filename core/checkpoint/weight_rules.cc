#include "core/checkpoint/weight_rules.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace traind::core {
namespace {

auto Stars(absl::string_view pattern) { return std::count(pattern.begin(), pattern.end(), '*'); }

void CheckPattern(absl::string_view pattern, const FieldErrors& errors) {
  if (pattern.empty()) errors.Add("is required: a pattern such as \"fc.*\"");
  if (pattern.size() > kMostPatternCharacters) {
    errors.Add(absl::StrCat("has ", pattern.size(), " characters, at most ", kMostPatternCharacters, " are allowed"));
  }
}

void CheckWeightRule(const v1::WeightRule& rule, const FieldErrors& errors) {
  CheckPattern(rule.to(), errors.At("to"));
  switch (rule.source_case()) {
    case v1::WeightRule::kFrom:
      CheckPattern(rule.from(), errors.At("from"));
      if (Stars(rule.from()) != Stars(rule.to())) {
        errors.At("from").Add(absl::StrCat("has ", Stars(rule.from()), " \"*\", and `to` has ", Stars(rule.to()),
                                           ": each stands for what the one in the same place does"));
      }
      break;
    case v1::WeightRule::kSkip:
      if (!rule.skip()) errors.At("skip").Add("must be true, or left out with `from` in its place");
      break;
    case v1::WeightRule::SOURCE_NOT_SET:
      errors.Add("needs `from`, the model's names, or `skip: true`");
      break;
  }
}

// `pattern` with each `*` replaced by one of `parts`.
std::string Fill(absl::string_view pattern, const std::vector<absl::string_view>& parts) {
  std::string name;
  size_t next = 0;
  for (char c : pattern) {
    if (c == '*') {
      absl::StrAppend(&name, parts[next++]);
    } else {
      name.push_back(c);
    }
  }
  return name;
}

}  // namespace

std::optional<std::vector<absl::string_view>> MatchPattern(absl::string_view pattern, absl::string_view name) {
  const std::vector<absl::string_view> literals = absl::StrSplit(pattern, '*');
  if (literals.size() == 1) {
    if (pattern != name) return std::nullopt;
    return std::vector<absl::string_view>{};
  }
  const absl::string_view first = literals.front(), last = literals.back();
  if (name.size() < first.size() + last.size()) return std::nullopt;
  if (!absl::StartsWith(name, first) || !absl::EndsWith(name, last)) return std::nullopt;
  absl::string_view rest = name.substr(first.size(), name.size() - first.size() - last.size());
  std::vector<absl::string_view> parts;
  for (size_t i = 1; i + 1 < literals.size(); ++i) {
    const size_t at = rest.find(literals[i]);
    if (at == absl::string_view::npos) return std::nullopt;
    parts.push_back(rest.substr(0, at));
    rest.remove_prefix(at + literals[i].size());
  }
  parts.push_back(rest);
  return parts;
}

WeightSource SourceOf(absl::string_view tensor, const v1::InitialWeights& weights) {
  for (int i = 0; i < weights.rules_size(); ++i) {
    const v1::WeightRule& rule = weights.rules(i);
    const auto parts = MatchPattern(rule.to(), tensor);
    if (!parts.has_value()) continue;
    WeightSource source{.rule = i, .name = std::nullopt};
    if (rule.has_from()) source.name = Fill(rule.from(), *parts);
    return source;
  }
  return {.rule = -1, .name = std::string(tensor)};
}

void CheckWeightRules(const v1::InitialWeights& weights, const FieldErrors& errors) {
  if (weights.rules_size() > kMostWeightRules) {
    errors.At("rules").Add(absl::StrCat("has ", weights.rules_size(), ", at most ", kMostWeightRules, " are allowed"));
    return;
  }
  for (int i = 0; i < weights.rules_size(); ++i) CheckWeightRule(weights.rules(i), errors.At("rules", i));
}

}  // namespace traind::core
