#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/live_view.h"
#include "client/cli/parameter_rules.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

struct NetworkOptions {
  std::string file;
  std::vector<std::string> assignments;
  uint32_t batch_size = 0;  // 0: not given.
  // probe
  bool data = false;
  bool linear = false;
  uint64_t seed = 0;
  uint32_t bins = 0;
};

// The network to look at. One without input_shape in a job file becomes that of the job, as the server resolves it: the
// input is what augmentation and preprocessing leave of the dataset's examples.
// Nullopt as ReadJobFile.
std::optional<JobFile> ReadNetwork(const Context& context, const NetworkOptions& options, int& code) {
  std::optional<JobFile> file = ReadJobFile(context, options.file, options.assignments, code);
  if (!file) return std::nullopt;
  const v1::JobSpec& spec = file->spec();
  // With --data the server sees to the shape.
  if (options.data || spec.network().input_shape_size() > 0 || spec.data().dataset().empty()) return file;
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  request.set_validate_only(true);
  request.set_view(v1::JOB_VIEW_RESOLVED);
  const absl::StatusOr<v1::Job> job = context.MakeClient().CreateJob(request);
  if (!job.ok()) {
    code = context.Fail(job.status(), &*file);
    return std::nullopt;
  }
  const auto& input_shape = job->resolved_spec().network().input_shape();
  const std::string shape = absl::StrCat("network.input_shape=[", absl::StrJoin(input_shape, ","), "]");
  code = ApplyAssignments(context, {shape}, *file);
  if (code != kOk) return std::nullopt;
  return file;
}

// The spec of a job by its name, with plain layers and their input; nullopt: `code` is what the error exits with.
std::optional<v1::JobSpec> SpecOfJob(const Context& context, const NetworkOptions& options, int& code) {
  const absl::StatusOr<v1::Job> job = context.MakeClient().GetJob(options.file, v1::JOB_VIEW_RESOLVED);
  const absl::Status status =
      job.ok() && !options.assignments.empty()
          ? absl::InvalidArgumentError(absl::StrCat("--set changes job files, and ", options.file, " is a job"))
          : job.status();
  if (status.ok()) return job->resolved_spec();
  code = context.Fail(status);
  return std::nullopt;
}

int Describe(const Context& context, const NetworkOptions& options) {
  int code = kOk;
  std::optional<JobFile> file;
  std::optional<v1::JobSpec> of_job;
  if (absl::StartsWith(options.file, "jobs/")) {
    of_job = SpecOfJob(context, options, code);
    if (!of_job) return code;
  } else {
    file = ReadNetwork(context, options, code);
    if (!file) return code;
  }
  const v1::JobSpec& spec = of_job ? *of_job : file->spec();
  v1::DescribeNetworkRequest request;
  *request.mutable_network() = spec.network();
  if (spec.has_batch_size()) request.set_batch_size(spec.batch_size());
  if (options.batch_size > 0) request.set_batch_size(options.batch_size);
  request.set_precision(spec.precision());
  if (spec.has_optimizer()) *request.mutable_optimizer() = spec.optimizer();
  request.set_convolution_algorithm(spec.convolution_algorithm());
  const absl::StatusOr<v1::NetworkDescription> description = context.MakeClient().DescribeNetwork(request);
  if (!description.ok()) return context.Fail(description.status(), file ? &*file : nullptr);
  if (context.json) {
    context.PrintJson(*description);
    return kOk;
  }
  Table table({{.title = "layer"},
               {.title = "kind"},
               {.title = "activation", .rank = 2},
               {.title = "output"},
               {.title = "parameters", .right = true},
               {.title = "flops", .right = true, .rank = 1},
               {.title = "activations", .right = true, .rank = 3},
               {.title = "trained", .rank = 1, .optional = true},
               {.title = "algorithm", .rank = 4},
               {.title = "reads", .rank = 5}});
  for (const v1::LayerDescription& layer : description->layers()) {
    table.Add({{.text = layer.name(), .style = Style::kBold},
               {.text = layer.kind()},
               {.text = layer.activation()},
               {.text = FormatShape(layer.output_shape())},
               {.text = FormatCount(static_cast<double>(layer.num_parameters()))},
               {.text = FormatCount(static_cast<double>(layer.forward_flops()))},
               {.text = FormatBytes(layer.activation_bytes())},
               {.text = TrainedHow(layer, spec), .style = Style::kDim},
               {.text = layer.algorithm() == v1::CONVOLUTION_ALGORITHM_UNSPECIFIED ? "" : EnumName(layer.algorithm())},
               {.text = absl::StrJoin(layer.inputs(), ", "), .style = Style::kDim}});
  }
  context.out() << table.Render(context.console.width, context.color());
  context.out() << "\nparameters " << FormatCount(static_cast<double>(description->parameters())) << ", forward "
                << FormatCount(static_cast<double>(description->forward_flops())) << " flops for one example\n"
                << "memory at most " << FormatBytes(description->training_memory_bytes())
                << " to train with batches of " << (request.has_batch_size() ? request.batch_size() : 128) << ", "
                << FormatBytes(description->inference_memory_bytes()) << " for inference\n";
  context.Warnings(description->warnings());
  return kOk;
}

int Probe(const Context& context, const NetworkOptions& options) {
  int code = kOk;
  const std::optional<JobFile> file = ReadNetwork(context, options, code);
  if (!file) return code;
  const v1::JobSpec& spec = file->spec();
  v1::ProbeNetworkRequest request;
  *request.mutable_network() = spec.network();
  if (options.data) {
    if (spec.data().dataset().empty()) {
      context.Fail(absl::InvalidArgumentError("--data needs a job file with `data { dataset: ... }`"));
      return kUsage;
    }
    *request.mutable_data() = spec.data();
  } else {
    request.mutable_normal();
  }
  if (options.batch_size > 0) request.set_batch_size(options.batch_size);
  request.set_seed(options.seed != 0 ? options.seed : spec.seed());
  request.set_histogram_bins(options.bins);
  request.set_precision(spec.precision());
  if (spec.has_data_initialization()) {
    *request.mutable_data_initialization() = spec.data_initialization();
    if (!options.data) request.mutable_data_initialization()->clear_minibatches();  // N(0, 1) has one.
  }
  const absl::StatusOr<v1::ProbeNetworkResponse> response = context.MakeClient().ProbeNetwork(request);
  if (!response.ok()) return context.Fail(response.status(), &*file);
  if (context.json) {
    context.PrintJson(*response);
    return kOk;
  }
  context.out() << LayerTable(response->statistics(), !options.linear).Render(context.console.width, context.color());
  context.Warnings(response->warnings());
  return kOk;
}

int Components(const Context& context, const std::vector<std::string>& names) {
  const absl::StatusOr<std::vector<v1::Component>> components = context.MakeClient().ListComponents();
  if (!components.ok()) return context.Fail(components.status());
  if (names.empty()) {
    std::string category;
    size_t longest = 0;
    for (const v1::Component& component : *components) longest = std::max(longest, component.name().size());
    for (const v1::Component& component : *components) {
      if (context.json) {
        context.PrintJson(component);
      } else if (context.quiet) {
        context.out() << component.name() << "\n";
      } else {
        if (component.category() != category) {
          context.out() << StyledLine().Add(component.category(), Style::kBold).Render(80, context.color()) << "\n";
        }
        context.out() << StyledLine()
                             .Add("  " + PadRight(component.name(), static_cast<int>(longest) + 2))
                             .Add(Printable(component.summary()), Style::kDim)
                             .Render(context.console.width, context.color())
                      << "\n";
      }
      category = component.category();
    }
    context.Note("\ntrainctl components NAME shows its fields");
    return kOk;
  }
  int code = kOk;
  for (const std::string& name : names) {
    bool found = false;
    std::vector<std::string> known;
    for (const v1::Component& component : *components) {
      known.push_back(component.name());
      if (component.name() != name && component.message() != name) continue;
      found = true;
      if (context.json) {
        context.PrintJson(component);
        continue;
      }
      context.out() << StyledLine()
                           .Add(component.name(), Style::kBold)
                           .Add(absl::StrCat("  ", component.category(), "  ", component.message()), Style::kDim)
                           .Render(context.console.width, context.color())
                    << "\n"
                    << component.summary() << "\n";
      const auto print = [&](const char* title, const auto& fields) {
        Table table({{.title = title}, {.title = "type"}, {.title = "meaning"}});
        for (const v1::Component::Field& field : fields) {
          table.Add({{.text = field.name(), .style = Style::kBold},
                     {.text = field.type()},
                     {.text = Printable(field.summary())}});
        }
        if (!fields.empty()) context.out() << "\n" << table.Render(1000, context.color());
      };
      print("field", component.fields());
      print("beside it", component.beside());
      // What no field of ours names is reached by its message.
      const bool extension = component.name() == component.message();
      context.out() << "\nin a job file: "
                    << (component.message() == v1::JobSpec::descriptor()->full_name() ? "its fields, at the top level"
                        : extension ? absl::StrCat("extension { [type.googleapis.com/", component.name(), "] { ... } }")
                                    : absl::StrCat(component.name(), " { ... }"))
                    << (component.beside().empty() ? "" : absl::StrCat(" ", component.beside(0).name(), ": ..."))
                    << "\n";
    }
    if (!found) {
      code = context.Fail(
          absl::NotFoundError(absl::StrCat("no component \"", name, "\"; ", Known("components", name, known))));
    }
  }
  return code;
}

void DeclareNetwork(CLI::App& command, NetworkOptions& options) {
  command.add_option("FILE", options.file, "Job file, or a bare network; - reads the standard input")->required();
  AddSet(command, options.assignments);
}

}  // namespace

void AddNetworkCommands(CLI::App& app, Context& context) {
  {
    CLI::App& command =
        *app.add_subcommand("describe", "Shapes, parameters, FLOPs and memory of a network, layer by layer");
    command.footer(
        "Examples:\n"
        "  trainctl describe job.textproto\n"
        "  trainctl describe jobs/cnn                    the network that a job trains\n"
        "  trainctl describe network.textproto --set network.input_shape=[3,32,32] --batch-size 256\n"
        "FLOPs are those of one example, forward; a multiply-add counts as two.");
    auto options = std::make_shared<NetworkOptions>();
    DeclareNetwork(command, *options);
    command.add_option("--batch-size", options->batch_size, "For the memory; default: the job's, or 128");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Describe(context, *options); }; });
  }
  {
    CLI::App& command = *app.add_subcommand("probe", "Activation statistics of a network before any training");
    command.footer(
        "Examples:\n"
        "  trainctl probe job.textproto                  a batch of N(0, 1)\n"
        "  trainctl probe job.textproto --data           a batch of the job's training data\n"
        "  trainctl probe job.textproto --set network.layers[fc1].dense.weight_init.normal.std=0.05\n"
        "Good to see before training: activations that collapse to zero, saturate or explode with depth.");
    auto options = std::make_shared<NetworkOptions>();
    DeclareNetwork(command, *options);
    command.add_flag("--data", options->data, "Feed the first batch of the job's dataset, preprocessed");
    command.add_option("--batch-size", options->batch_size, "Default 16");
    command.add_option("--seed", options->seed, "Of the weights and the input; default: the job's");
    command.add_option("--bins", options->bins, "Of the histograms, 64 to 256; default 64");
    command.add_flag("--linear", options->linear, "Histograms with linear instead of logarithmic heights");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Probe(context, *options); }; });
  }
  {
    CLI::App& command = *app.add_subcommand("components", "What a job file can be made of");
    command.footer(
        "Examples:\n"
        "  trainctl components                  everything, by category\n"
        "  trainctl components leaky_relu adam  fields, ranges and defaults");
    auto names = std::make_shared<std::vector<std::string>>();
    command.add_option("COMPONENT", *names, "Components to show in full");
    command.callback([&context, names] { context.action = [&context, names] { return Components(context, *names); }; });
  }
}

}  // namespace traind::client
