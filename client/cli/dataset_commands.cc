#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/dataset_view.h"
#include "client/cli/job_view.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {

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
  for (const v1::DatasetSplit& split : dataset.splits()) {
    say(absl::StrCat(" ", split.name()),
        absl::StrCat(FormatCount(static_cast<double>(split.num_examples())), " examples  ", split.checksum()));
  }
  say("size", FormatBytes(dataset.size_bytes()));
  say("imported", absl::FormatTime("%Y-%m-%d %H:%M", ToTime(dataset.create_time()), absl::LocalTimeZone()));
}

namespace {

int ListDatasets(const Context& context) {
  const absl::StatusOr<std::vector<v1::Dataset>> datasets = context.MakeClient().ListDatasets();
  if (!datasets.ok()) return context.Fail(datasets.status());
  Table table({{.title = "dataset"},
               {.title = "example"},
               {.title = "type", .rank = 2},
               {.title = "classes", .right = true},
               {.title = "splits"},
               {.title = "size", .right = true, .rank = 1},
               {.title = "imported", .rank = 3}});
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
               {.text = absl::FormatTime("%Y-%m-%d %H:%M", ToTime(dataset.create_time()), absl::LocalTimeZone())}});
  }
  if (context.json || context.quiet) return kOk;
  if (datasets->empty()) {
    context.Note("no datasets; `trainctl dataset import --help` shows how to bring one in");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

int Get(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Dataset> dataset = context.MakeClient().GetDataset(name);
  if (!dataset.ok()) return context.Fail(dataset.status());
  PrintDataset(context, *dataset);
  return kOk;
}

int Delete(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteDataset(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Context& context) {
  CLI::App& dataset = *app.add_subcommand("dataset", "Bring datasets in, look at them, remove them");
  dataset.require_subcommand(1);
  dataset.footer("Examples:\n  trainctl dataset import --help\n  trainctl dataset list");
  AddImportCommands(dataset, context);
  {
    CLI::App& command = *dataset.add_subcommand("list", "List the datasets by name");
    command.footer("Example:\n  trainctl dataset list");
    command.callback([&context] { context.action = [&context] { return ListDatasets(context); }; });
  }
  const auto add_simple = [&](const char* verb, const char* help, const char* footer,
                              int (*run)(const Context&, const std::string&)) {
    CLI::App& command = *dataset.add_subcommand(verb, help);
    command.footer(footer);
    auto name = std::make_shared<std::string>();
    command.add_option("DATASET", *name, "Name of the dataset")->required();
    command.callback([&context, name, run] {
      context.action = [&context, name, run] { return run(context, FullName("datasets", *name)); };
    });
  };
  add_simple("get", "Show one dataset: shapes, splits, classes", "Example:\n  trainctl dataset get fashion", Get);
  add_simple(
      "describe", "Read a whole dataset: classes, means, duplicates, and what to beware of",
      "Example:\n  trainctl dataset describe fashion\nThe server reads all of it; that takes a while for a large one.",
      DescribeDataset);
  AddPreviewCommand(dataset, context);
  add_simple("delete", "Remove a dataset that no living job needs", "Example:\n  trainctl dataset delete fashion",
             Delete);
}

}  // namespace traind::client
