#include "client/cli/operation_view.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/cli/dataset_view.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/metrics_view.h"
#include "client/cli/prediction_output.h"
#include "client/cli/progress_bar.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/operation.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {
namespace {

// Between two looks at an operation: a bar that moves, a Ctrl-C that is heard.
constexpr absl::Duration kLook = absl::Milliseconds(500);

// "36,000 of 60,000 examples".
std::string Amount(const v1::OperationProgress& progress) {
  const bool bytes = progress.unit() == "bytes";
  const auto count = [&](int64_t n) { return bytes ? FormatBytes(n) : FormatCount(static_cast<double>(n)); };
  return absl::StrCat(count(progress.done()), progress.total() > 0 ? absl::StrCat(" of ", count(progress.total())) : "",
                      bytes ? "" : " ", bytes ? "" : progress.unit());
}

int SayDetached(const Context& context, const std::string& name) {
  context.Note(absl::StrCat("detached: ", name, " goes on at the server\n  trainctl wait ", name,
                            "     wait for it again\n  trainctl cancel ", name, "   end it"));
  return kDetached;
}

// Of the classes that the model of this name was trained on; empty where that is not known, or there are none.
std::vector<std::string> ClassNames(Client& client, const std::string& model) {
  std::vector<std::string> parts = absl::StrSplit(model, '/');
  if (parts.size() == 2 && parts[0] == "models") {
    const auto made = client.GetModel(model);
    if (made.ok() && made->has_ensemble()) parts = absl::StrSplit(made->ensemble().members(0).job(), '/');
  }
  if (parts.size() < 2 || parts[0] != "jobs") return {};
  const auto job = client.GetJob(absl::StrCat(parts[0], "/", parts[1]), v1::JOB_VIEW_SPEC);
  if (!job.ok()) return {};
  return {job->trained_on().class_names().begin(), job->trained_on().class_names().end()};
}

}  // namespace

std::string WorkOf(const v1::OperationMetadata& metadata) {
  const std::string& method = metadata.method();
  if (method == "ImportDataset") return "import";
  if (method == "DescribeDataset") return "describe";
  if (method == "Evaluate") return "eval";
  if (method == "PredictSplit") return "predict";
  return method;
}

Style OperationStyle(v1::OperationState state) {
  switch (state) {
    case v1::OPERATION_STATE_SUCCEEDED:
      return Style::kGood;
    case v1::OPERATION_STATE_FAILED:
      return Style::kBad;
    case v1::OPERATION_STATE_CANCELLING:
    case v1::OPERATION_STATE_CANCELLED:
      return Style::kWarning;
    case v1::OPERATION_STATE_QUEUED:
      return Style::kDim;
    default:
      return Style::kBold;
  }
}

std::string RenderOperation(const v1::OperationMetadata& metadata, int width) {
  const v1::OperationProgress& progress = metadata.progress();
  const std::string title = absl::StrCat(WorkOf(metadata), " ", Printable(metadata.target()));
  if (metadata.state() == v1::OPERATION_STATE_QUEUED) {
    const std::string& reason = metadata.queue_reason();
    return Clip(absl::StrCat(title, "  waits", reason.empty() ? "" : ": ", Printable(reason)), width);
  }
  const bool known = progress.total() > 0 && progress.done() <= progress.total();
  const double share = known ? static_cast<double>(progress.done()) / static_cast<double>(progress.total()) : 0;
  std::string facts = known ? absl::StrFormat(" %3d %%  ", static_cast<int>(std::floor(100 * share))) : "";
  if (progress.done() > 0 || known) absl::StrAppend(&facts, Amount(progress));
  if (progress.has_remaining() && !metadata.has_end_time()) {
    absl::StrAppend(&facts, "  ", FormatElapsed(ToDuration(progress.remaining())), " left");
  }
  const std::string name = Clip(title, std::max(width / 3, 8));
  const int bar = std::clamp(width - DisplayWidth(name) - DisplayWidth(facts) - 2, 5, 40);
  return Clip(absl::StrCat(name, "  ", known ? Bar(share, bar) : "", facts), width);
}

std::optional<v1::Operation> AwaitOperation(const Context& context, Client client, const std::string& name, int* code) {
  Interrupt interrupt;
  absl::StatusOr<v1::Operation> operation;
  {
    StatusLine line(context.err(), context.console.err_is_terminal && !context.quiet && !context.json);
    WaitOptions options;
    options.interval = kLook;
    options.interrupt = interrupt.notification();
    options.observer = [&](const v1::Operation& now) {
      line.Draw(RenderOperation(MetadataOf(now), context.console.width - 1));
    };
    operation = client.WaitOperation(name, options);
  }
  if (interrupt.happened() && !(operation.ok() && operation->done())) {
    *code = SayDetached(context, name);
    return std::nullopt;
  }
  if (!operation.ok()) {
    *code = context.Fail(operation.status());
    return std::nullopt;
  }
  *code = kOk;
  return *std::move(operation);
}

int FinishOperation(const Context& context, Client client, const absl::StatusOr<v1::Operation>& begun, bool async,
                    absl::FunctionRef<int(const v1::Operation&)> show) {
  if (!begun.ok()) return context.Fail(begun.status());
  context.Warnings(MetadataOf(*begun).warnings());
  if (async) {
    if (context.json) {
      context.PrintJson(*begun);
    } else {
      context.out() << begun->name() << "\n";
      context.Note(absl::StrCat("  trainctl wait ", begun->name(),
                                "               until it is done\n  trainctl operation result ", begun->name(),
                                "   what it made"));
    }
    return kOk;
  }
  int code = kOk;
  std::optional<v1::Operation> done;
  if (begun->done()) {
    done = *begun;
  } else {
    done = AwaitOperation(context, std::move(client), begun->name(), &code);
  }
  if (!done) return code;
  if (done->has_error()) {
    context.Fail(ErrorOf(*done));
    return absl::IsCancelled(ErrorOf(*done)) ? kJobCancelled : kJobFailed;
  }
  // Those of the beginning were said.
  auto warnings = MetadataOf(*done).warnings();
  warnings.DeleteSubrange(0, std::min(warnings.size(), MetadataOf(*begun).warnings_size()));
  context.Warnings(warnings);
  return show(*done);
}

int ShowResult(const Context& context, Client client, const v1::Operation& operation, const PredictionStyle& style) {
  const google::protobuf::Any& made = operation.response();
  if (v1::Dataset dataset; made.UnpackTo(&dataset)) {
    PrintDataset(context, dataset);
    return kOk;
  }
  if (v1::DatasetDescription description; made.UnpackTo(&description)) {
    PrintDescription(context, description);
    return kOk;
  }
  if (v1::EvaluationMetrics metrics; made.UnpackTo(&metrics)) {
    if (context.json) {
      context.PrintJson(metrics);
    } else {
      context.out() << DescribeEvaluation(metrics) << "\n";
      if (context.quiet) return kOk;
      const std::vector<std::string> names = ClassNames(client, MetadataOf(operation).target());
      for (const StyledLine& line : RenderMetrics(metrics, names, context.console.width)) {
        context.out() << line.Render(context.console.width, context.color()) << "\n";
      }
    }
    return kOk;
  }
  if (v1::PredictSplitResponse predicted; made.UnpackTo(&predicted)) {
    return CopyPredictions(context, std::move(client), predicted, style);
  }
  if (operation.has_error()) return context.Fail(ErrorOf(operation));
  if (!operation.done()) return context.Fail(ResultOf<v1::Dataset>(operation).status());
  context.PrintJson(operation);
  return kOk;
}

}  // namespace traind::client
