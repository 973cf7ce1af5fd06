#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/ensemble_command.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/label_command.h"
#include "client/cli/progress_bar.h"
#include "client/cli/styled.h"
#include "client/cli/tensor_file.h"
#include "client/cli/text.h"
#include "client/file.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct DownloadOptions {
  std::string weights;
  std::string output;
  std::string names;
  bool force = false;
};

struct UploadOptions {
  std::string id;
  std::string path;
  std::string names;
  std::vector<std::string> labels;
};

int ListModels(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Model>> models = context.MakeClient().ListModels(options);
  if (!models.ok()) return context.Fail(models.status());
  NoteUnreachable(context, options);
  Table table({{.title = "model"},
               {.title = "size", .right = true},
               {.title = "owner", .rank = 1, .optional = true},
               {.title = "made", .rank = 1},
               {.title = "of", .rank = 1, .optional = true},
               {.title = "labels", .rank = 2, .optional = true}});
  for (const v1::Model& model : *models) {
    if (context.json) context.PrintJson(model);
    if (context.quiet && !context.json) context.out() << ShortName(model.name()) << "\n";
    table.Add({{.text = ShortName(model.name()), .style = Style::kBold},
               {.text = FormatBytes(model.size_bytes())},
               {.text = Printable(model.owner())},
               {.text = FormatMinute(model.create_time())},
               {.text = !model.has_ensemble() ? "" : absl::StrCat(model.ensemble().members_size(), " members")},
               {.text = Printable(FormatLabels(model.labels())), .style = Style::kDim}});
  }
  if (context.json || context.quiet) return kOk;
  if (models->empty()) {
    context.Note(
        "no models; `trainctl model upload --help` shows how to bring one, `trainctl model list JOB` has a job's");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

// "F16"; a type that is no float is not read.
std::string TypeOf(const v1::TensorInfo& tensor) {
  const bool read = absl::StrContains(tensor.dtype(), 'F');
  return absl::StrCat(Printable(tensor.dtype()), read || tensor.dtype().empty() ? "" : ", not loaded");
}

void PrintModel(const Context& context, const v1::Model& model) {
  if (context.json) return context.PrintJson(model);
  context.out() << model.name();
  if (!context.quiet) {
    context.out() << ": ";
    if (model.has_ensemble()) context.out() << DescribeEnsemble(model);
    if (!model.has_ensemble()) {
      context.out() << model.tensors_size() << " tensors, " << FormatBytes(model.size_bytes());
    }
    if (!model.labels().empty()) context.out() << ", " << Printable(FormatLabels(model.labels()));
  }
  context.out() << "\n";
  if (context.quiet) return;
  if (model.has_ensemble()) context.out() << EnsembleTable(context, model);
  if (model.tensors().empty()) return;
  Table table({{.title = "tensor"}, {.title = "shape"}, {.title = "type"}});
  for (const v1::TensorInfo& tensor : model.tensors()) {
    table.Add({{.text = Printable(tensor.name())}, {.text = FormatShape(tensor.shape())}, {.text = TypeOf(tensor)}});
  }
  context.out() << table.Render(context.console.width, context.color());
}

int GetModel(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Model> model = context.MakeClient().GetModel(name);
  if (!model.ok()) return context.Fail(model.status());
  PrintModel(context, *model);
  return kOk;
}

int DeleteModel(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteModel(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

ProgressBar MakeBar(const Context& context, const std::string& title) {
  return ProgressBar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, title,
                     context.console.width);
}

Client TransferClient(const Context& context) {
  return context.MakeClient(
      [&context](const absl::Status&, absl::Duration) { context.Note("connection lost, trying again"); });
}

// "jobs/cnn/checkpoints/best" is saved as "cnn-best.safetensors", "models/mine" as "mine.safetensors".
std::string DefaultOutput(const std::string& name) {
  if (absl::StartsWith(name, "models/")) return absl::StrCat(ShortName(name), ".safetensors");
  return absl::StrCat(absl::StrReplaceAll(absl::StripPrefix(name, "jobs/"), {{"/checkpoints/", "-"}}), ".safetensors");
}

// Gives the tensors of a file that was downloaded their other names.
absl::Status RenameTensors(const std::string& path, const TensorNames& names) {
  auto file = ReadSafetensors(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = names.ToTheirs(*file); !status.ok()) return status;
  if (absl::Status status = WriteSafetensors(path + ".renamed", *file); !status.ok()) return status;
  return RenameDurably(path + ".renamed", path);
}

int Download(const Context& context, const DownloadOptions& options) {
  std::optional<TensorNames> names;
  if (!options.names.empty()) {
    auto read = TensorNames::Read(options.names);
    if (!read.ok()) return context.Fail(read.status());
    names = *std::move(read);
  }
  const std::string name = WeightsName(options.weights);
  const std::string path = options.output.empty() ? DefaultOutput(name) : options.output;
  if (!options.force && access(path.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(path, " exists; --force replaces it")));
  }
  absl::StatusOr<int64_t> size;
  {
    ProgressBar bar = MakeBar(context, ShortName(path));
    size = TransferClient(context).DownloadCheckpoint(name, path,
                                                      [&](int64_t done, int64_t total) { bar.Update(done, total); });
  }
  if (!size.ok()) return context.Fail(size.status());
  if (names.has_value()) {
    if (absl::Status status = RenameTensors(path, *names); !status.ok()) {
      return context.Fail(absl::Status(
          status.code(), absl::StrCat(path, " is there with the names of the server: ", status.message())));
    }
  }
  if (context.json) {
    v1::Checkpoint result;
    result.set_name(name);
    result.set_size_bytes(*size);
    context.PrintJson(result);
  } else if (context.quiet) {
    context.out() << path << "\n";
  } else {
    context.out() << path << ": " << FormatBytes(*size) << ", checksum right\n";
  }
  return kOk;
}

// The file to send, which is made where the given one is of ONNX or has other names. Removes it in the end.
class SentFile {
 public:
  ~SentFile() {
    if (!made_.empty()) std::remove(made_.c_str());
  }
  const std::string& path() const { return made_.empty() ? path_ : made_; }

  absl::Status Prepare(const Context& context, const UploadOptions& options) {
    path_ = options.path;
    const bool onnx = absl::EndsWith(options.path, ".onnx");
    if (!onnx && options.names.empty()) return absl::OkStatus();
    auto file = onnx ? ReadOnnx(options.path) : ReadSafetensors(options.path);
    if (!file.ok()) return file.status();
    if (!options.names.empty()) {
      const auto names = TensorNames::Read(options.names);
      if (!names.ok()) return names.status();
      if (absl::Status status = names->ToOurs(*file); !status.ok()) return status;
    }
    if (!file->left_out.empty()) {
      context.Note(absl::StrCat("not among the weights: ", Printable(absl::StrJoin(file->left_out, ", "))));
    }
    std::string made = (std::filesystem::temp_directory_path() / "trainctl-XXXXXX").string();
    const int descriptor = mkstemp(made.data());
    if (descriptor < 0) return absl::UnavailableError("cannot make a file in the folder for temporary ones");
    close(descriptor);
    made_ = std::move(made);
    return WriteSafetensors(made_, *file);
  }

 private:
  std::string path_;
  std::string made_;
};

int UploadCommand(const Context& context, const UploadOptions& options) {
  SentFile sent;
  if (absl::Status status = sent.Prepare(context, options); !status.ok()) return context.Fail(status);
  v1::UploadModelHeader header;
  header.set_model_id(std::string(absl::StripPrefix(options.id, "models/")));
  SetLabels(options.labels, *header.mutable_labels());
  absl::StatusOr<v1::Model> model;
  {
    ProgressBar bar = MakeBar(context, ShortName(options.path));
    model = TransferClient(context).UploadModel(header, sent.path(),
                                                [&](int64_t done, int64_t total) { bar.Update(done, total); });
  }
  if (!model.ok()) return context.Fail(model.status());
  PrintModel(context, *model);
  context.Note(absl::StrCat("start a job from it with --set initial_weights.model=", model->name()));
  return kOk;
}

void AddModelList(CLI::App& model, Context& context) {
  CLI::App& command = *model.add_subcommand("list", "List the models by name, or the checkpoints of a job");
  command.footer(
      "Examples:\n"
      "  trainctl model list\n"
      "  trainctl model list --label team=vision --sort create_time,desc\n"
      "  trainctl model list cnn    the checkpoints of a job: the same as `trainctl checkpoint list cnn`");
  auto job = std::make_shared<std::string>();
  auto flags = std::make_shared<ListFlags>();
  command.add_option("JOB", *job, "Job whose checkpoints to list");
  AddListFlags(command, *flags,
               {.fields = "name, uid, labels, owner, size_bytes, create_time, update_time", .labels = true});
  command.callback([&context, job, flags] {
    context.action = [&context, job, flags] {
      const ListOptions options = ToListOptions(*flags);
      return job->empty() ? ListModels(context, options) : ListCheckpoints(context, JobName(*job), options);
    };
  });
}

void AddModelLabel(CLI::App& model, Context& context) {
  CLI::App& command = *model.add_subcommand("label", "Set and remove labels of models");
  command.footer(
      "Examples:\n"
      "  trainctl model label mine team=vision stage=draft\n"
      "  trainctl model label mine other stage-          without the label");
  AddLabelWords(command, context, "MODEL", ModelName, [&context](const std::string& name, const auto& changes) {
    Client client = context.MakeClient();
    return ShowLabels(context, ChangeLabels<v1::Model>(
                                   name, changes, [&](const std::string& of) { return client.GetModel(of); },
                                   [&](const v1::Model& changed) {
                                     v1::UpdateModelRequest request;
                                     *request.mutable_model() = changed;
                                     request.mutable_update_mask()->add_paths("labels");
                                     return client.UpdateModel(request);
                                   }));
  });
}

}  // namespace

void AddModelCommands(CLI::App& app, Context& context) {
  CLI::App& model = *app.add_subcommand(
      "model",
      "Trained weights: list, get, download, export, card, upload, ensemble, label, evaluate, predict, delete");
  model.require_subcommand(1);
  model.footer("Examples:\n  trainctl model download cnn\n  trainctl model predict --help");
  AddModelList(model, context);
  const auto add = [&](const char* verb, const char* help, const char* footer,
                       int (*run)(const Context&, const std::string&)) {
    AddVerb(model, context, {verb, help, footer, "MODEL", ModelName, run});
  };
  add("get", "Show one model: its tensors and labels", "Example:\n  trainctl model get mine", GetModel);
  add("delete", "Remove models; jobs that began with one keep a copy", "Example:\n  trainctl model delete mine old",
      DeleteModel);
  AddModelLabel(model, context);
  {
    CLI::App& command = *model.add_subcommand("download", "Save weights as a safetensors file");
    command.footer(
        "Examples:\n"
        "  trainctl model download cnn                      the newest checkpoint, to cnn-latest.safetensors\n"
        "  trainctl model download cnn/best -o best.safetensors\n"
        "  trainctl model download cnn --names torch        for load_state_dict of a module with these layers\n"
        "A broken download goes on where it stopped, also when the command is given again.\n"
        "In Python: safetensors.numpy.load_file(\"best.safetensors\")[\"conv1.weight\"]");
    auto options = std::make_shared<DownloadOptions>();
    command.add_option("WEIGHTS", options->weights, kWeightsHelp)->required();
    command.add_option("-o,--output", options->output, "Where to; default: named after the job and checkpoint")
        ->type_name("FILE");
    command.add_option("--names", options->names,
                       "Other names for the tensors: torch, or a file of lines OURS THEIRS, each a tensor or the part\n"
                       "of its name before a dot");
    command.add_flag("--force", options->force, "Replace a file that is there");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Download(context, *options); }; });
  }
  {
    CLI::App& command = *model.add_subcommand("upload", "Store a file of weights (safetensors or ONNX) as models/ID");
    command.footer(
        "Examples:\n"
        "  trainctl model upload mine weights.safetensors\n"
        "  trainctl model upload theirs resnet.onnx --names names.txt\n"
        "  trainctl run job.textproto --set initial_weights.model=models/mine\n"
        "A broken upload begins anew. Tensors are float32, float16, bfloat16 or float64 and named as the server names\n"
        "them: conv1.weight, conv1.bias, bn1.running_mean ... Integers, as PyTorch's num_batches_tracked, are not "
        "loaded. Of an ONNX file the initializers are taken; a job that begins with them says what it has loaded.");
    auto options = std::make_shared<UploadOptions>();
    command.add_option("ID", options->id, "Name for the model: a-z, 0-9 and -")->required();
    command.add_option("FILE", options->path, "safetensors file, or FILE.onnx")->required();
    command.add_option("--names", options->names,
                       "A file of lines OURS THEIRS: how the server's tensors, or the parts of their names before a\n"
                       "dot, are called in FILE");
    AddLabel(command, options->labels);
    command.callback(
        [&context, options] { context.action = [&context, options] { return UploadCommand(context, *options); }; });
  }
  AddEnsembleCommand(model, context);
  AddModelExportCommands(model, context);
  AddPredictCommands(model, context);
}

}  // namespace traind::client
