#include "client/cli/model_card.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

// JSON's strings are YAML's, whatever is in them.
std::string YamlText(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Text of others in a line of Markdown: nothing in it is markup.
std::string Plain(const std::string& text) {
  return absl::StrReplaceAll(Printable(text), {{"\\", "\\\\"},
                                               {"`", "\\`"},
                                               {"*", "\\*"},
                                               {"_", "\\_"},
                                               {"[", "\\["},
                                               {"]", "\\]"},
                                               {"<", "&lt;"},
                                               {"|", "\\|"},
                                               {"#", "\\#"},
                                               {"!", "\\!"}});
}

std::string TitleOf(const v1::Job& job) {
  return job.display_name().empty() ? ShortName(job.name()) : job.display_name();
}

const v1::Checkpoint* BestOf(const std::vector<v1::Checkpoint>& checkpoints) {
  for (const v1::Checkpoint& checkpoint : checkpoints) {
    if (checkpoint.best()) return &checkpoint;
  }
  return nullptr;
}

// One line "- accuracy 92.7 %, loss 0.2531: checkpoint 2345, on the split test (10,000 examples)".
void AddResults(const v1::Checkpoint& checkpoint, const v1::Job& job, std::string& text) {
  if (!checkpoint.has_evaluation_loss()) return;
  const bool by_another = checkpoint.best_metric() != "" && checkpoint.best_metric() != "loss" &&
                          checkpoint.best_metric() != "accuracy" && checkpoint.has_best_metric_value();
  const std::string& split = job.resolved_spec().data().evaluation_split();
  absl::StrAppend(&text, "- ");
  if (checkpoint.has_evaluation_accuracy()) {
    absl::StrAppend(&text, "accuracy ", FormatPercent(checkpoint.evaluation_accuracy()), ", ");
  }
  if (by_another) {
    absl::StrAppend(&text, checkpoint.best_metric(), " ", FormatNumber(checkpoint.best_metric_value()), ", ");
  }
  absl::StrAppend(&text, "loss ", FormatNumber(checkpoint.evaluation_loss()), ": checkpoint ", checkpoint.step(),
                  checkpoint.best() ? " (the best)" : "", ", on the split ", Plain(split));
  for (const v1::DatasetSplit& of : job.trained_on().splits()) {
    if (of.name() == split)
      absl::StrAppend(&text, " (", FormatCount(static_cast<double>(of.num_examples())), " examples)");
  }
  const uint64_t most = job.resolved_spec().data().max_evaluation_examples();
  if (most > 0) absl::StrAppend(&text, ", at most ", most, " of them");
  absl::StrAppend(&text, "\n");
}

// Of the split that nothing was chosen by.
void AddTest(const v1::Job& job, std::string& text) {
  const v1::JobProgress& progress = job.progress();
  if (!progress.has_test_loss()) return;
  absl::StrAppend(&text, "- TEST, with the weights of the last checkpoint: ");
  if (progress.has_test_accuracy()) {
    absl::StrAppend(&text, "accuracy ", FormatPercent(progress.test_accuracy()), ", ");
  }
  absl::StrAppend(&text, "loss ", FormatNumber(progress.test_loss()), " on the split ",
                  Plain(job.resolved_spec().data().test_split()), "\n");
}

std::string FrontMatter(const ModelCardParts& parts) {
  const v1::Job& job = parts.job;
  std::string text = "---\nlibrary_name: traind\n";
  if (!job.trained_on().dataset().empty()) {
    absl::StrAppend(&text, "datasets:\n- ", YamlText(ShortName(job.trained_on().dataset())), "\n");
  }
  const v1::Checkpoint* best = BestOf(parts.checkpoints);
  if (best != nullptr && best->has_evaluation_accuracy()) absl::StrAppend(&text, "metrics:\n- accuracy\n");
  if (!job.labels().empty()) absl::StrAppend(&text, "tags:\n");
  std::vector<std::string> tags;
  for (const auto& [key, value] : job.labels())
    tags.push_back(YamlText(value.empty() ? key : absl::StrCat(key, "=", value)));
  std::sort(tags.begin(), tags.end());
  for (const std::string& tag : tags) absl::StrAppend(&text, "- ", tag, "\n");
  return text + "---\n";
}

std::string DataSection(const v1::Job& job) {
  const v1::DataIdentity& data = job.trained_on();
  if (data.dataset().empty()) {
    return "The record does not say on which data: the job was accepted before version 0.3.\n";
  }
  std::string text = absl::StrCat("`", Printable(data.dataset()), "`, uid `", Printable(data.uid()), "`, examples ",
                                  FormatShape(data.example_shape()), " of ", EnumName(data.element_type()), ".\n\n",
                                  "| split | examples | checksum |\n|---|---|---|\n");
  for (const v1::DatasetSplit& split : data.splits()) {
    absl::StrAppend(&text, "| ", Plain(split.name()), " | ", FormatCount(static_cast<double>(split.num_examples())),
                    " | ", Plain(split.checksum()), " |\n");
  }
  absl::StrAppend(&text, "\nTrained on the split ", Plain(job.resolved_spec().data().train_split()), ".\n");
  if (data.num_classes() > 0) absl::StrAppend(&text, data.num_classes(), " classes");
  for (int i = 0; i < data.class_names_size(); ++i) {
    absl::StrAppend(&text, i == 0 ? ": " : ", ", Plain(data.class_names(i)));
  }
  return text + (data.num_classes() > 0 ? ".\n" : "");
}

// Text format, which escapes what is in strings, in a fence that no line of it can end.
std::string Configuration(const v1::JobSpec& spec) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(spec, &text);
  return absl::StrCat("~~~~~~~~\n", text, "~~~~~~~~\n");
}

}  // namespace

std::string ModelCard(const ModelCardParts& parts) {
  const v1::Job& job = parts.job;
  std::string text = FrontMatter(parts);
  absl::StrAppend(&text, "\n# ", Plain(TitleOf(job)), "\n\nTrained by `", Printable(job.name()), "` (uid `",
                  Printable(job.uid()), "`), which is ", EnumName(job.state()), " at step ", job.progress().step(),
                  " of ", job.progress().total_steps(), ".\n");
  if (!job.forked_from().empty()) absl::StrAppend(&text, "It began from `", Printable(job.forked_from()), "`.\n");
  absl::StrAppend(&text, "\n## Network\n\n", FormatCount(static_cast<double>(parts.network.parameters())),
                  " parameters, ", FormatCount(static_cast<double>(parts.network.forward_flops())),
                  " operations an example.\n\n| layer | kind | output | parameters |\n|---|---|---|---|\n");
  for (const v1::LayerDescription& layer : parts.network.layers()) {
    absl::StrAppend(&text, "| ", Plain(layer.name()), " | ", Plain(layer.kind()),
                    layer.activation().empty() ? "" : ", ", Plain(layer.activation()), " | ",
                    FormatShape(layer.output_shape()), " | ", layer.num_parameters(), " |\n");
  }
  absl::StrAppend(&text, "\n## Data\n\n", DataSection(job), "\n## Results\n\n");
  const size_t before = text.size();
  const v1::Checkpoint* best = BestOf(parts.checkpoints);
  if (best != nullptr) AddResults(*best, job, text);
  if (!parts.checkpoints.empty() && &parts.checkpoints.back() != best) AddResults(parts.checkpoints.back(), job, text);
  AddTest(job, text);
  if (text.size() == before) absl::StrAppend(&text, "No checkpoint was evaluated.\n");
  absl::StrAppend(&text, "\n## Training\n\n");
  for (const std::string& warning : job.warnings()) absl::StrAppend(&text, "- ", Plain(warning), "\n");
  if (job.warnings_size() > 0) absl::StrAppend(&text, "\n");
  absl::StrAppend(&text, "With every default filled in:\n\n", Configuration(job.resolved_spec()));
  absl::StrAppend(&text, "\nCreated ", google::protobuf::util::TimeUtil::ToString(job.create_time()));
  if (job.has_end_time()) {
    absl::StrAppend(&text, ", ended ", google::protobuf::util::TimeUtil::ToString(job.end_time()));
  }
  absl::StrAppend(&text, ". This card was made from the record by a server of traind ", parts.server_version, ".\n");
  return text;
}

}  // namespace traind::client
