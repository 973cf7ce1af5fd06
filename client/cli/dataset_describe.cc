// `trainctl dataset describe`.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/dataset_view.h"
#include "client/cli/operation_view.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr int kBarWidth = 24;
constexpr int kListedClasses = 50;  // About a screen.
constexpr int kListedMoments = 8;   // In one line.

void Say(const Context& context, const StyledLine& line) {
  context.out() << line.Render(10000, context.color()) << "\n";
}

// "0.4914, 0.4822, 0.4465".
std::string Numbers(const google::protobuf::RepeatedField<double>& values) {
  std::vector<std::string> texts;
  for (int i = 0; i < std::min(values.size(), kListedMoments); ++i) texts.push_back(FormatNumber(values[i]));
  if (values.size() > kListedMoments) texts.push_back(absl::StrCat("... (", values.size(), ")"));
  return absl::StrJoin(texts, ", ");
}

void PrintClasses(const Context& context, const v1::Dataset& dataset, const v1::SplitDescription& split) {
  const auto& counts = split.class_counts();
  if (counts.empty()) return;
  const int64_t largest = std::max<int64_t>(*std::max_element(counts.begin(), counts.end()), 1);
  int width = 0;
  std::vector<std::string> names;
  for (int i = 0; i < std::min(counts.size(), kListedClasses); ++i) {
    names.push_back(i < dataset.class_names_size() ? Printable(dataset.class_names(i)) : absl::StrCat(i));
    width = std::min(std::max(width, DisplayWidth(names.back())), 24);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const double count = static_cast<double>(counts[static_cast<int>(i)]);
    Say(context, StyledLine()
                     .Add(absl::StrCat("  ", PadRight(Clip(names[i], width), width), " "))
                     .Add(Bar(count / static_cast<double>(largest), kBarWidth), Style::kGood)
                     .Add(absl::StrCat(" ", FormatCount(count))));
  }
  if (counts.size() > kListedClasses) {
    Say(context,
        StyledLine().Add(absl::StrCat("  ... and ", counts.size() - kListedClasses, " classes more"), Style::kDim));
  }
}

}  // namespace

void PrintDescription(const Context& context, const v1::DatasetDescription& description) {
  if (context.json) return context.PrintJson(description);
  PrintDataset(context, description.dataset());
  if (context.quiet) return;
  for (const v1::SplitDescription& split : description.splits()) {
    const auto say = [&](absl::string_view key, const std::string& value) {
      Say(context, StyledLine().Add(absl::StrCat("  ", PadRight(key, 12)), Style::kDim).Add(value));
    };
    Say(context, StyledLine());
    Say(context, StyledLine()
                     .Add(split.name(), Style::kBold)
                     .Add(absl::StrCat("  ", FormatCount(static_cast<double>(split.num_examples())), " examples")));
    say("mean", Numbers(split.mean()));
    say("std", Numbers(split.std()));
    say("range", absl::StrCat(FormatNumber(split.min()), " to ", FormatNumber(split.max())));
    say("duplicates", FormatCount(static_cast<double>(split.duplicates())));
    if (&split != &description.splits(0)) {
      say(absl::StrCat("in ", description.splits(0).name()),
          FormatCount(static_cast<double>(split.shared_with_first())));
    }
    PrintClasses(context, description.dataset(), split);
  }
  if (!description.warnings().empty()) Say(context, StyledLine());
  for (const std::string& warning : description.warnings()) {
    Say(context, StyledLine().Add("warning: ", Style::kWarning).Add(Printable(warning)));
  }
}

int DescribeDataset(const Context& context, const std::string& name, bool async) {
  v1::DescribeDatasetRequest request;
  request.set_name(name);
  Client client = context.MakeClient();
  return FinishOperation(context, client, client.DescribeDataset(request), async,
                         [&](const v1::Operation& done) { return ShowResult(context, client, done); });
}

}  // namespace traind::client
