#include "client/cli/ensemble_command.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/label_command.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct EnsembleOptions {
  std::string name;
  std::vector<std::string> members;
  std::string mean = "outputs";
  std::string running_statistics = "refuse";
  int checkpoints = 0;
  std::vector<std::string> labels;
};

// "models/mine@cnn" is the model in the network of jobs/cnn.
v1::ModelRef MemberOf(const std::string& text) {
  v1::ModelRef ref;
  const size_t at = text.find('@');
  ref.set_model(WeightsName(text.substr(0, at)));
  if (at != text.npos) ref.set_job(JobName(text.substr(at + 1)));
  return ref;
}

// The newest checkpoints of a job; of one that writes them by steps, those of these steps: the ends of cycles.
absl::StatusOr<std::vector<v1::ModelRef>> Snapshots(Client& client, const std::string& job, int count) {
  const auto found = client.GetJob(job, v1::JOB_VIEW_RESOLVED);
  if (!found.ok()) return found.status();
  const uint64_t every = found->resolved_spec().checkpoint().every_steps();
  ListOptions list;
  list.order_by = "step desc";
  const auto checkpoints = client.ListCheckpoints(job, list);
  if (!checkpoints.ok()) return checkpoints.status();
  std::vector<v1::ModelRef> refs;
  std::string steps;
  for (const v1::Checkpoint& checkpoint : *checkpoints) {
    if (checkpoint.step() == 0 || (every > 0 && checkpoint.step() % every != 0)) continue;
    absl::StrAppend(&steps, steps.empty() ? "" : ", ", checkpoint.step());
    if (static_cast<int>(refs.size()) < count) refs.emplace_back().set_model(checkpoint.name());
  }
  if (static_cast<int>(refs.size()) == count) return refs;
  return absl::FailedPreconditionError(absl::StrCat(
      job, " has ", refs.size(), " checkpoints", every > 0 ? absl::StrCat(" of every ", every, " steps") : "",
      refs.empty() ? "" : absl::StrCat(" (steps ", steps, ")"), ", not ", count,
      "; a job keeps them with checkpoint { every_steps: CYCLE every { seconds: 0 } keep_last: ", count,
      " } evaluation { every_steps: CYCLE }, CYCLE being the steps of a cycle"));
}

absl::Status AddMembers(Client& client, const EnsembleOptions& options, v1::CreateEnsembleRequest& request) {
  for (const std::string& text : options.members) {
    if (options.checkpoints == 0) {
      *request.add_members() = MemberOf(text);
      continue;
    }
    auto snapshots = Snapshots(client, JobName(text), options.checkpoints);
    if (!snapshots.ok()) return snapshots.status();
    for (v1::ModelRef& ref : *snapshots) *request.add_members() = std::move(ref);
  }
  return absl::OkStatus();
}

int CreateEnsemble(const Context& context, const EnsembleOptions& options) {
  Client client = context.MakeClient();
  v1::CreateEnsembleRequest request;
  request.set_model_id(ShortName(ModelName(options.name)));
  request.set_mean(options.mean == "weights" ? v1::Ensemble::MEAN_WEIGHTS : v1::Ensemble::MEAN_OUTPUTS);
  if (options.running_statistics == "mean") {
    request.set_running_statistics(v1::CreateEnsembleRequest::RUNNING_STATISTICS_MEAN);
  }
  SetLabels(options.labels, *request.mutable_labels());
  if (absl::Status status = AddMembers(client, options, request); !status.ok()) return context.Fail(status);
  const absl::StatusOr<v1::Model> model = client.CreateEnsemble(request);
  if (!model.ok()) return context.Fail(model.status());
  if (context.json) {
    context.PrintJson(*model);
    return kOk;
  }
  context.out() << model->name();
  if (context.quiet) {
    context.out() << "\n";
    return kOk;
  }
  context.out() << ": " << DescribeEnsemble(*model) << "\n" << EnsembleTable(context, *model);
  context.Note(absl::StrCat("  trainctl model eval ", model->name(), "\n  trainctl model predict ", model->name()));
  return kOk;
}

}  // namespace

std::string DescribeEnsemble(const v1::Model& model) {
  const bool weights = model.ensemble().mean() == v1::Ensemble::MEAN_WEIGHTS;
  return absl::StrCat("the mean of the ", weights ? "weights" : "outputs", " of ", model.ensemble().members_size(),
                      " members, ", FormatBytes(model.size_bytes()));
}

std::string EnsembleTable(const Context& context, const v1::Model& model) {
  Table table({{.title = "member"},
               {.title = "network of"},
               {.title = "evaluation loss", .right = true, .optional = true},
               {.title = "size", .right = true}});
  for (const v1::EnsembleMember& member : model.ensemble().members()) {
    table.Add({{.text = Printable(member.model()), .style = Style::kBold},
               {.text = Printable(member.job())},
               {.text = member.has_evaluation_loss() ? FormatNumber(member.evaluation_loss()) : ""},
               {.text = FormatBytes(member.size_bytes())}});
  }
  return table.Render(context.console.width, context.color());
}

void AddEnsembleCommand(CLI::App& model, Context& context) {
  CLI::App& command = *model.add_subcommand("ensemble", "Make one model of several: models/NAME");
  command.footer(
      "Examples:\n"
      "  trainctl model ensemble five cnn-1/best cnn-2/best cnn-3/best cnn-4/best cnn-5/best\n"
      "  trainctl model ensemble snapshots cyclic --checkpoints 5     the ends of the last five cycles\n"
      "  trainctl model ensemble soup cnn/800 cnn/900 cnn/1000 --mean weights\n"
      "  trainctl model eval models/five\n"
      "The mean of outputs asks every member and averages probabilities, as --flips does over looks; the mean of "
      "weights\n"
      "is one network, for members of one training. The ensemble keeps its own copies: members may be deleted.");
  auto options = std::make_shared<EnsembleOptions>();
  command.add_option("NAME", options->name, "Name for the model: a-z, 0-9 and -")->required();
  command.add_option("MEMBER", options->members, "JOB, JOB/STEP, JOB/best, models/ID@JOB, or a model made of others")
      ->required();
  command.add_option("--mean", options->mean, "Of what: outputs or weights")
      ->check(CLI::IsMember({"outputs", "weights"}))
      ->capture_default_str();
  command
      .add_option("--running-statistics", options->running_statistics,
                  "With --mean weights of networks with batch normalization: mean averages its running statistics, too")
      ->check(CLI::IsMember({"refuse", "mean"}))
      ->capture_default_str();
  command
      .add_option("--checkpoints", options->checkpoints,
                  "MEMBER is a job: its so many newest checkpoints, of the job's checkpoint.every_steps if it has them")
      ->check(CLI::Range(1, 32));
  AddLabel(command, options->labels);
  command.callback(
      [&context, options] { context.action = [&context, options] { return CreateEnsemble(context, *options); }; });
}

}  // namespace traind::client
