#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/job_view.h"
#include "client/cli/progress_bar.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct ImportOptions {
  std::string name;
  std::vector<std::string> splits;
  std::vector<std::string> class_names;
  std::string examples_array, labels_array;
};

// "train=IMAGES,LABELS" or "train=BOTH.npz".
struct Split {
  std::string name, examples, labels;
};

absl::StatusOr<Split> ParseSplit(absl::string_view text) {
  const size_t equals = text.find('=');
  const size_t comma = text.find(',', equals == text.npos ? 0 : equals);
  Split split;
  if (equals != text.npos) {
    split.name = std::string(text.substr(0, equals));
    split.examples = std::string(text.substr(equals + 1, comma == text.npos ? comma : comma - equals - 1));
    if (comma != text.npos) split.labels = std::string(text.substr(comma + 1));
  }
  if (split.name.empty() || split.examples.empty() || (comma != text.npos && split.labels.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--split ", text, ": must be NAME=EXAMPLES,LABELS, or NAME=FILE.npz with both inside"));
  }
  return split;
}

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
  say("examples",
      absl::StrCat(FormatShape(dataset.example_shape()), " ", v1::ElementType_Name(dataset.element_type())));
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

// Uploads a local file, showing how far it is.
absl::StatusOr<std::string> Send(const Context& context, Client& client, const std::string& path) {
  ProgressBar bar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, ShortName(path),
                  context.console.width);
  const absl::StatusOr<v1::Upload> upload =
      client.UploadFile(path, [&](int64_t done, int64_t total) { bar.Update(done, total); });
  if (!upload.ok()) return upload.status();
  return upload->name();
}

int Import(const Context& context, const ImportOptions& options, bool upload) {
  v1::ImportDatasetRequest request;
  request.set_dataset_id(options.name);
  for (const std::string& name : options.class_names) request.add_class_names(name);
  std::vector<Split> splits;
  for (const std::string& text : options.splits) {
    absl::StatusOr<Split> split = ParseSplit(text);
    if (!split.ok()) {
      context.Fail(split.status());
      return kUsage;
    }
    splits.push_back(*std::move(split));
  }
  Client client =
      context.MakeClient([&](const absl::Status&, absl::Duration) { context.Note("connection lost, trying again"); });
  const auto add = [&](const std::string& path, v1::DataFile* file) {
    if (!upload) {
      file->set_path(path);
      return absl::OkStatus();
    }
    const absl::StatusOr<std::string> name = Send(context, client, path);
    if (name.ok()) file->set_upload(*name);
    return name.status();
  };
  for (const Split& split : splits) {
    v1::SplitSource& source = *request.add_splits();
    source.set_name(split.name);
    source.set_examples_array(options.examples_array);
    source.set_labels_array(options.labels_array);
    absl::Status status = add(split.examples, source.mutable_examples());
    if (status.ok() && !split.labels.empty()) status = add(split.labels, source.mutable_labels());
    if (!status.ok()) return context.Fail(status);
  }
  const absl::StatusOr<v1::Dataset> dataset = client.ImportDataset(request);
  if (!dataset.ok()) return context.Fail(dataset.status());
  PrintDataset(context, *dataset);
  return kOk;
}

int List(const Context& context) {
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
               {.text = v1::ElementType_Name(dataset.element_type())},
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

void AddImport(CLI::App& dataset, Context& context, bool upload) {
  CLI::App& command =
      *dataset.add_subcommand(upload ? "upload" : "import", upload ? "Send local files to the server and import them"
                                                                   : "Import files that are on the server");
  command.footer(absl::StrCat(
      "Examples:\n",
      upload ? "  trainctl dataset upload digits --split train=x.npy,y.npy --split test=xt.npy,yt.npy\n"
               "  trainctl dataset upload digits --split train=digits.npz\n"
               "A broken upload goes on where it stopped, also when the command is given again.\n"
             : "  trainctl dataset import fashion \\\n"
               "      --split train=train-images-idx3-ubyte.gz,train-labels-idx1-ubyte.gz \\\n"
               "      --split test=t10k-images-idx3-ubyte.gz,t10k-labels-idx1-ubyte.gz\n"
               "  trainctl dataset import digits --split train=digits.npz --examples-array images\n"
               "Paths are on the server, relative to its --dataset-root; `dataset upload` sends files from here.\n",
      "Formats: IDX (.gz too), NPY, NPZ. Examples are [N, features] or [N, channels, height, width], bytes or "
      "float32;\n"
      "labels are integers, or float32 targets."));
  auto options = std::make_shared<ImportOptions>();
  command.add_option("NAME", options->name, "Name for the dataset: a-z, 0-9 and -")->required();
  command.add_option("--split", options->splits, "A split and its files; can be repeated")
      ->required()
      ->type_name("NAME=EXAMPLES,LABELS")
      ->allow_extra_args(false);
  command.add_option("--class-names", options->class_names, "Names of the classes, in order")
      ->delimiter(',')
      ->type_name("NAME,...");
  command.add_option("--examples-array", options->examples_array, "Array of an NPZ; default x, images or examples");
  command.add_option("--labels-array", options->labels_array, "Array of an NPZ; default y, labels or targets");
  command.callback([&context, options, upload] {
    context.action = [&context, options, upload] { return Import(context, *options, upload); };
  });
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Context& context) {
  CLI::App& dataset = *app.add_subcommand("dataset", "Bring datasets in, look at them, remove them");
  dataset.require_subcommand(1);
  dataset.footer("Example:\n  trainctl dataset import --help");
  AddImport(dataset, context, /*upload=*/false);
  AddImport(dataset, context, /*upload=*/true);
  {
    CLI::App& command = *dataset.add_subcommand("list", "List the datasets by name");
    command.footer("Example:\n  trainctl dataset list");
    command.callback([&context] { context.action = [&context] { return List(context); }; });
  }
  AddPreviewCommand(dataset, context);
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
  add_simple("delete", "Remove a dataset that no living job needs", "Example:\n  trainctl dataset delete fashion",
             Delete);
}

}  // namespace traind::client
