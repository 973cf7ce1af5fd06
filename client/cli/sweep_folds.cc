#include "client/cli/sweep_folds.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "client/cli/job_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct FoldSums {
  FoldNumbers loss, accuracy;
};

FoldSums SumsOf(const std::vector<v1::Job>& jobs) {
  std::vector<double> losses, accuracies;
  for (const v1::Job& job : jobs) {
    const v1::JobProgress& progress = job.progress();
    if (progress.has_evaluation_loss()) losses.push_back(progress.evaluation_loss());
    if (progress.has_evaluation_accuracy()) accuracies.push_back(progress.evaluation_accuracy());
  }
  return {.loss = NumbersOf(std::move(losses)), .accuracy = NumbersOf(std::move(accuracies))};
}

std::string WithSpread(const FoldNumbers& numbers) {
  if (numbers.values.empty()) return "";
  return absl::StrCat(FormatNumber(numbers.mean),
                      numbers.values.size() > 1 ? absl::StrCat(" ± ", FormatNumber(numbers.deviation)) : "");
}

}  // namespace

FoldNumbers NumbersOf(std::vector<double> values) {
  FoldNumbers numbers{.values = std::move(values)};
  const double count = static_cast<double>(numbers.values.size());
  if (count == 0) return numbers;
  numbers.mean = std::accumulate(numbers.values.begin(), numbers.values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : numbers.values) squares += (value - numbers.mean) * (value - numbers.mean);
  if (count > 1) numbers.deviation = std::sqrt(squares / (count - 1));
  return numbers;
}

Table FoldTable(const std::vector<v1::Job>& jobs) {
  Table table({{.title = "fold", .right = true},
               {.title = "loss", .right = true},
               {.title = "accuracy", .right = true, .optional = true},
               {.title = "job"},
               {.title = "state"}});
  for (size_t i = 0; i < jobs.size(); ++i) {
    const v1::JobProgress& progress = jobs[i].progress();
    table.Add({{.text = absl::StrCat(i)},
               {.text = progress.has_evaluation_loss() ? FormatNumber(progress.evaluation_loss()) : "-"},
               {.text = progress.has_evaluation_accuracy() ? FormatNumber(progress.evaluation_accuracy()) : ""},
               {.text = ShortName(jobs[i].name()), .style = Style::kDim},
               {.text = EnumName(jobs[i].state()), .style = StateStyle(jobs[i].state())}});
  }
  const FoldSums sums = SumsOf(jobs);
  table.Add({{.text = "mean", .style = Style::kBold},
             {.text = WithSpread(sums.loss), .style = Style::kBold},
             {.text = WithSpread(sums.accuracy), .style = Style::kBold},
             {.text = ""},
             {.text = ""}});
  return table;
}

std::string FoldJson(const std::vector<v1::Job>& jobs) {
  nlohmann::json json = {{"folds", nlohmann::json::array()}};
  for (const v1::Job& job : jobs) {
    nlohmann::json fold = {{"job", job.name()}, {"state", EnumName(job.state())}};
    if (job.progress().has_evaluation_loss()) fold["loss"] = job.progress().evaluation_loss();
    if (job.progress().has_evaluation_accuracy()) fold["accuracy"] = job.progress().evaluation_accuracy();
    json["folds"].push_back(std::move(fold));
  }
  const FoldSums sums = SumsOf(jobs);
  const auto add = [&](const char* name, const FoldNumbers& numbers) {
    if (numbers.values.empty()) return;
    json[name] = {{"mean", numbers.mean}};
    if (numbers.values.size() > 1) json[name]["standard_deviation"] = numbers.deviation;
  };
  add("loss", sums.loss);
  add("accuracy", sums.accuracy);
  return json.dump();
}

}  // namespace traind::client
