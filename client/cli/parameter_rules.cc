#include "client/cli/parameter_rules.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace traind::client {
namespace {

// `*` stands for any characters.
bool IsOfPattern(absl::string_view pattern, absl::string_view name) {
  size_t star = absl::string_view::npos, resume = 0, p = 0, n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string WordsOf(const v1::ParameterRule& rule) {
  std::vector<std::string> words;
  if (rule.frozen() && rule.unfreeze_after_epochs() > 0) {
    words.push_back(absl::StrCat("frozen until epoch ", rule.unfreeze_after_epochs()));
  } else if (rule.frozen() && rule.unfreeze_after_steps() > 0) {
    words.push_back(absl::StrCat("frozen until step ", rule.unfreeze_after_steps()));
  } else if (rule.frozen()) {
    words.emplace_back("frozen");
  }
  if (rule.has_learning_rate_multiplier()) words.push_back(absl::StrCat("rate x ", rule.learning_rate_multiplier()));
  if (rule.has_layer_decay()) words.push_back(absl::StrCat("rate x ", rule.layer_decay(), "^depth"));
  if (rule.has_weight_decay_multiplier()) words.push_back(absl::StrCat("decay x ", rule.weight_decay_multiplier()));
  if (rule.has_weight_decay()) words.push_back(absl::StrCat("decay ", rule.weight_decay()));
  if (rule.has_coupled_weight_decay()) words.push_back(absl::StrCat("coupled decay ", rule.coupled_weight_decay()));
  return absl::StrJoin(words, ", ");
}

// Running statistics are of no rule.
bool IsTrained(absl::string_view tensor) {
  return !absl::EndsWith(tensor, ".running_mean") && !absl::EndsWith(tensor, ".running_var");
}

}  // namespace

std::string TrainedHow(const v1::LayerDescription& layer, const v1::JobSpec& spec) {
  std::vector<std::string> each;
  bool same = true;
  std::string first;
  for (const v1::TensorInfo& tensor : layer.parameters()) {
    if (!IsTrained(tensor.name())) continue;
    std::string words;
    for (const v1::ParameterRule& rule : spec.parameter_rules()) {
      if (!IsOfPattern(rule.parameters(), tensor.name())) continue;
      words = WordsOf(rule);
      break;
    }
    if (each.empty()) first = words;
    same = same && words == first;
    const absl::string_view own = absl::string_view(tensor.name()).substr(tensor.name().rfind('.') + 1);
    each.push_back(absl::StrCat(own, ": ", words.empty() ? "as usual" : words));
  }
  return same ? first : absl::StrJoin(each, "; ");
}

}  // namespace traind::client
