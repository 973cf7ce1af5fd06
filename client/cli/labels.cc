#include "client/cli/labels.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace traind::client {

absl::StatusOr<LabelWords> ParseLabelWords(const std::vector<std::string>& words) {
  LabelWords parsed;
  for (const std::string& word : words) {
    if (absl::StrContains(word, '=')) {
      std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
      parsed.changes.push_back({.key = parts.first, .value = parts.second});
    } else if (word.size() > 1 && word.back() == '-') {
      parsed.changes.push_back({.key = word.substr(0, word.size() - 1), .value = std::nullopt});
    } else {
      parsed.names.push_back(word);
    }
  }
  if (parsed.names.empty()) return absl::InvalidArgumentError("a name is missing before the labels");
  if (parsed.changes.empty()) {
    return absl::InvalidArgumentError("nothing to change: KEY=VALUE sets a label, KEY- removes one");
  }
  return parsed;
}

void ApplyLabels(const std::vector<LabelChange>& changes, Labels& labels) {
  for (const LabelChange& change : changes) {
    if (change.value) {
      labels[change.key] = *change.value;
    } else {
      labels.erase(change.key);
    }
  }
}

void SetLabels(const std::vector<std::string>& assignments, Labels& labels) {
  for (const std::string& text : assignments) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    labels[parts.first] = parts.second;
  }
}

std::string FormatLabels(const Labels& labels) {
  return absl::StrJoin(std::map<std::string, std::string>(labels.begin(), labels.end()), ", ",
                       absl::PairFormatter("="));
}

}  // namespace traind::client
