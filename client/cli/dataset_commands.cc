#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/dataset_view.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/label_command.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {

namespace {

// The first `limit`, and how many more there are.
template <typename Texts>
std::string Listed(const Texts& texts, int limit) {
  const int shown = std::min<int>(texts.size(), limit);
  const std::string list = absl::StrJoin(texts.begin(), texts.begin() + shown, ", ");
  return shown == texts.size() ? list : absl::StrCat(list, ", ... (", texts.size(), ")");
}

// What the import left out, guessed or changed.
void PrintNotes(const Context& context, const v1::Dataset& dataset) {
  constexpr int kListedFiles = 10;
  const auto say = [&](absl::string_view key, absl::string_view text) {
    context.out() << StyledLine().Add(key, Style::kWarning).Add(Printable(text)).Render(10000, context.color()) << "\n";
  };
  if (dataset.num_skipped_files() > 0) {
    say("left out: ", absl::StrCat(dataset.num_skipped_files(), " files that cannot be read"));
  }
  for (int i = 0; i < std::min(dataset.skipped_files_size(), kListedFiles); ++i) {
    const v1::SkippedFile& file = dataset.skipped_files(i);
    say("  ", absl::StrCat(file.split(), ": ", file.file(), ": ", file.reason()));
  }
  if (dataset.num_skipped_files() > kListedFiles) say("  ", "...; --json lists a thousand of them");
  for (const std::string& note : dataset.notes()) say("note: ", note);
}

}  // namespace

void PrintDataset(const Context& context, const v1::Dataset& dataset) {
  if (context.json) return context.PrintJson(dataset);
  if (context.quiet) {
    context.out() << ShortName(dataset.name()) << "\n";
    return;
  }
  const auto say = [&](absl::string_view key, absl::string_view value) {
    context.out()
        << StyledLine().Add(PadRight(key, 10), Style::kDim).Add(Printable(value)).Render(10000, context.color())
        << "\n";
  };
  say("name", dataset.name());
  say("examples", absl::StrCat(FormatShape(dataset.example_shape()), " ", EnumName(dataset.element_type())));
  if (dataset.num_classes() > 0) {
    say("labels",
        absl::StrCat(
            dataset.num_classes(), " classes",
            dataset.class_names_size() > 0 ? absl::StrCat(": ", absl::StrJoin(dataset.class_names(), ", ")) : ""));
  } else {
    say("targets", absl::StrCat(dataset.target_width(), " numbers"));
  }
  constexpr int kListedNames = 50;
  if (!dataset.feature_names().empty()) say("features", Listed(dataset.feature_names(), kListedNames));
  for (const v1::CategoricalColumn& column : dataset.categorical_columns()) {
    say(" words of", absl::StrCat(column.name(), ": ", Listed(column.categories(), kListedNames)));
  }
  for (const v1::DatasetSplit& split : dataset.splits()) {
    say(absl::StrCat(" ", split.name()),
        absl::StrCat(FormatCount(static_cast<double>(split.num_examples())), " examples  ", split.checksum()));
  }
  if (!dataset.labels().empty()) say("tagged", FormatLabels(dataset.labels()));
  say("size", FormatBytes(dataset.size_bytes()));
  say("imported", FormatMinute(dataset.create_time()));
  PrintNotes(context, dataset);
}

namespace {

int ListDatasets(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Dataset>> datasets = context.MakeClient().ListDatasets(options);
  if (!datasets.ok()) return context.Fail(datasets.status());
  NoteUnreachable(context, options);
  Table table({{.title = "dataset"},
               {.title = "example"},
               {.title = "type", .rank = 2},
               {.title = "classes", .right = true},
               {.title = "splits"},
               {.title = "size", .right = true, .rank = 1},
               {.title = "owner", .rank = 3, .optional = true},
               {.title = "imported", .rank = 3},
               {.title = "labels", .rank = 4, .optional = true}});
  for (const v1::Dataset& dataset : *datasets) {
    if (context.json || context.quiet) {
      PrintDataset(context, dataset);
      continue;
    }
    std::vector<std::string> splits;
    for (const v1::DatasetSplit& split : dataset.splits()) {
      splits.push_back(absl::StrCat(split.name(), " ", FormatCount(static_cast<double>(split.num_examples()))));
    }
    table.Add({{.text = ShortName(dataset.name()), .style = Style::kBold},
               {.text = FormatShape(dataset.example_shape())},
               {.text = EnumName(dataset.element_type())},
               {.text = dataset.num_classes() > 0 ? absl::StrCat(dataset.num_classes()) : "-"},
               {.text = absl::StrJoin(splits, ", ")},
               {.text = FormatBytes(dataset.size_bytes())},
               {.text = Printable(dataset.owner())},
               {.text = FormatMinute(dataset.create_time())},
               {.text = Printable(FormatLabels(dataset.labels())), .style = Style::kDim}});
  }
  if (context.json || context.quiet) return kOk;
  if (datasets->empty()) {
    context.Note("no datasets; `trainctl dataset import --help` shows how to bring one in");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

int GetDataset(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Dataset> dataset = context.MakeClient().GetDataset(name);
  if (!dataset.ok()) return context.Fail(dataset.status());
  PrintDataset(context, *dataset);
  return kOk;
}

int DeleteDataset(const Context& context, const std::string& name, bool force) {
  const absl::Status status = context.MakeClient().DeleteDataset(name, /*etag=*/"", force);
  if (!status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

void AddDatasetList(CLI::App& dataset, Context& context) {
  CLI::App& command = *dataset.add_subcommand("list", "List the datasets by name");
  command.footer(
      "Examples:\n"
      "  trainctl dataset list\n"
      "  trainctl dataset list --label team=vision --filter 'num_classes = 10' --sort size_bytes,desc");
  auto flags = std::make_shared<ListFlags>();
  AddListFlags(command, *flags,
               {.fields = "name, uid, labels, owner, num_classes, target_width, size_bytes, create_time, update_time",
                .labels = true});
  command.callback([&context, flags] {
    context.action = [&context, flags] { return ListDatasets(context, ToListOptions(*flags)); };
  });
}

void AddDescribe(CLI::App& dataset, Context& context) {
  CLI::App& command =
      *dataset.add_subcommand("describe", "Read a whole dataset: classes, means, duplicates, and what to beware of");
  command.footer(
      "Example:\n"
      "  trainctl dataset describe fashion\n"
      "The server reads all of it; that takes a while for a large one. Ctrl-C detaches: the work goes on.");
  auto name = std::make_shared<std::string>();
  auto async = std::make_shared<bool>(false);
  command.add_option("DATASET", *name, "Name of the dataset")->required();
  AddAsync(command, *async);
  command.callback([&context, name, async] {
    context.action = [&context, name, async] { return DescribeDataset(context, DatasetName(*name), *async); };
  });
}

void AddDatasetDelete(CLI::App& dataset, Context& context) {
  CLI::App& command = *dataset.add_subcommand("delete", "Remove datasets that no job needs");
  command.footer(
      "Examples:\n"
      "  trainctl dataset delete fashion digits\n"
      "  trainctl dataset delete fashion --force    also when jobs that have ended were trained on it; they can then\n"
      "                                             not be evaluated on it, resumed, extended or forked any more");
  auto names = std::make_shared<std::vector<std::string>>();
  auto force = std::make_shared<bool>(false);
  command.add_option("DATASET", *names, "One or more names")->required();
  command.add_flag("--force", *force, "Also what jobs that have ended were trained on");
  command.callback([&context, names, force] {
    context.action = [&context, names, force] {
      return ForEach(*names,
                     [&](const std::string& name) { return DeleteDataset(context, DatasetName(name), *force); });
    };
  });
}

void AddDatasetLabel(CLI::App& dataset, Context& context) {
  CLI::App& command = *dataset.add_subcommand("label", "Set and remove labels of datasets");
  command.footer(
      "Examples:\n"
      "  trainctl dataset label fashion team=vision stage=draft\n"
      "  trainctl dataset label fashion digits stage-    without the label");
  AddLabelWords(command, context, "DATASET", DatasetName, [&context](const std::string& name, const auto& changes) {
    Client client = context.MakeClient();
    return ShowLabels(context, ChangeLabels<v1::Dataset>(
                                   name, changes, [&](const std::string& of) { return client.GetDataset(of); },
                                   [&](const v1::Dataset& changed) {
                                     v1::UpdateDatasetRequest request;
                                     *request.mutable_dataset() = changed;
                                     request.mutable_update_mask()->add_paths("labels");
                                     return client.UpdateDataset(request);
                                   }));
  });
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Context& context) {
  CLI::App& dataset = *app.add_subcommand("dataset", "Bring datasets in, look at them, label and remove them");
  dataset.require_subcommand(1);
  dataset.footer("Examples:\n  trainctl dataset import --help\n  trainctl dataset list");
  AddImportCommands(dataset, context);
  AddDatasetList(dataset, context);
  AddVerb(dataset, context,
          {"get", "Show datasets: shapes, splits, classes", "Example:\n  trainctl dataset get fashion", "DATASET",
           DatasetName, GetDataset});
  AddDescribe(dataset, context);
  AddPreviewCommand(dataset, context);
  AddDatasetLabel(dataset, context);
  AddDatasetDelete(dataset, context);
}

}  // namespace traind::client
