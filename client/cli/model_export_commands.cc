// `trainctl model export` and `trainctl model card`.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/model_card.h"
#include "client/cli/progress_bar.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct ExportOptions {
  std::string weights;
  std::string job;
  std::string output;
  bool force = false;
};

// "jobs/cnn/checkpoints/best" becomes "cnn-best.onnx", "models/mine" "mine.onnx".
std::string DefaultExport(const std::string& name) {
  if (absl::StartsWith(name, "models/")) return absl::StrCat(ShortName(name), ".onnx");
  return absl::StrCat(absl::StrReplaceAll(absl::StripPrefix(name, "jobs/"), {{"/checkpoints/", "-"}}), ".onnx");
}

int ExportCommand(const Context& context, const ExportOptions& options) {
  v1::ExportModelRequest request;
  const std::string name = WeightsName(options.weights);
  request.mutable_model()->set_model(name);
  if (!options.job.empty()) request.mutable_model()->set_job(JobName(options.job));
  request.set_format(v1::ExportModelRequest::FORMAT_ONNX);
  const std::string path = options.output.empty() ? DefaultExport(name) : options.output;
  if (!options.force && access(path.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(path, " exists; --force replaces it")));
  }
  Client client = context.MakeClient(
      [&context](const absl::Status&, absl::Duration) { context.Note("connection lost, beginning anew"); });
  absl::StatusOr<ExportedModel> exported;
  {
    ProgressBar bar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, ShortName(path),
                    context.console.width);
    exported = client.ExportModel(request, path, [&](int64_t done, int64_t total) { bar.Update(done, total); });
  }
  if (!exported.ok()) return context.Fail(exported.status());
  v1::ExportModelResponse result;
  result.set_model(exported->model);
  result.set_size_bytes(exported->size_bytes);
  result.mutable_notes()->Assign(exported->notes.begin(), exported->notes.end());
  if (context.json) context.PrintJson(result);
  if (context.json) return kOk;
  context.out() << path;
  if (!context.quiet) context.out() << ": " << Printable(exported->model) << ", " << FormatBytes(exported->size_bytes);
  context.out() << "\n";
  context.Warnings(result.notes());
  return kOk;
}

struct CardOptions {
  std::string job;
  std::string output;
  bool force = false;
};

absl::StatusOr<std::string> MakeCard(const Context& context, const std::string& name) {
  Client client = context.MakeClient();
  auto job = client.GetJob(name, v1::JOB_VIEW_RESOLVED);
  if (!job.ok()) return job.status();
  v1::DescribeNetworkRequest describe;
  *describe.mutable_network() = job->resolved_spec().network();
  const auto network = client.DescribeNetwork(describe);
  if (!network.ok()) return network.status();
  const auto checkpoints = client.ListCheckpoints(name);
  if (!checkpoints.ok()) return checkpoints.status();
  const auto server = client.GetServerInfo();
  if (!server.ok()) return server.status();
  return ModelCard({.job = *std::move(job),
                    .network = *network,
                    .checkpoints = *checkpoints,
                    .server_version = Printable(server->version())});
}

int CardCommand(const Context& context, const CardOptions& options) {
  if (!options.output.empty() && !options.force && access(options.output.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(options.output, " exists; --force replaces it")));
  }
  const absl::StatusOr<std::string> card = MakeCard(context, JobName(options.job));
  if (!card.ok()) return context.Fail(card.status());
  if (options.output.empty()) {
    context.out() << *card;
    return kOk;
  }
  std::ofstream file(options.output, std::ios::binary | std::ios::trunc);
  file << *card;
  file.close();
  if (!file) return context.Fail(absl::UnavailableError(absl::StrCat("cannot write ", options.output)));
  context.out() << options.output << "\n";
  return kOk;
}

void AddCardCommand(CLI::App& model, Context& context) {
  CLI::App& command = *model.add_subcommand("card", "Print a model card: what a job's record says of its model");
  command.footer(
      "Examples:\n"
      "  trainctl model card cnn\n"
      "  trainctl model card cnn -o README.md\n"
      "Markdown with YAML in front, as model hubs read it: network, data with checksums, results with their split, "
      "and\n"
      "the configuration with every default. Nothing is in it that the server does not know.");
  auto options = std::make_shared<CardOptions>();
  command.add_option("JOB", options->job, "Job whose model it is")->required();
  command.add_option("-o,--output", options->output, "Where to; default: the standard output")->type_name("FILE");
  command.add_flag("--force", options->force, "Replace a file that is there");
  command.callback(
      [&context, options] { context.action = [&context, options] { return CardCommand(context, *options); }; });
}

}  // namespace

void AddModelExportCommands(CLI::App& model, Context& context) {
  AddCardCommand(model, context);
  CLI::App& command = *model.add_subcommand("export", "Save a trained network as an ONNX file, for other programs");
  command.footer(
      "Examples:\n"
      "  trainctl model export cnn -o cnn.onnx           the newest checkpoint\n"
      "  trainctl model export cnn/best                  to cnn-best.onnx\n"
      "  trainctl model export models/mine --job cnn     uploaded weights in the network of a job\n"
      "The preprocessing is in the file: its input is examples as the training data has them. The names of the "
      "classes\n"
      "are its metadata \"class_names\". In Python:\n"
      "  onnxruntime.InferenceSession(\"cnn.onnx\").run(None, {\"input\": images.astype(\"float32\")})");
  auto options = std::make_shared<ExportOptions>();
  command.add_option("WEIGHTS", options->weights, kWeightsHelp)->required();
  command.add_option("--job", options->job, "Job whose network and preprocessing to use; needed with models/ID");
  command.add_option("-o,--output", options->output, "Where to; default: named after the job and checkpoint")
      ->type_name("FILE");
  command.add_flag("--force", options->force, "Replace a file that is there");
  command.callback(
      [&context, options] { context.action = [&context, options] { return ExportCommand(context, *options); }; });
}

}  // namespace traind::client
