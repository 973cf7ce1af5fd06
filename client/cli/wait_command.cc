// `trainctl wait`.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/operation_view.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/operation.h"

namespace traind::client {
namespace {

// How a job ended: its record then.
int PrintEnded(const Context& context, const absl::StatusOr<v1::Job>& job) {
  if (!job.ok()) return context.Fail(job.status());
  if (context.json) {
    context.PrintJson(*job);
  } else if (!context.quiet) {
    const std::string& reason = job->has_error() ? job->error().message() : job->state_reason();
    context.out() << job->name() << " " << EnumName(job->state()) << (reason.empty() ? "" : ": ") << Printable(reason)
                  << "\n";
  }
  return job->state() == v1::JOB_STATE_SUCCEEDED ? kOk
         : job->state() == v1::JOB_STATE_FAILED  ? kJobFailed
                                                 : kJobCancelled;
}

int WaitForJob(const Context& context, const std::string& name) {
  Client client = context.MakeClient();
  v1::WatchJobRequest request;
  request.set_name(name);
  request.add_kinds(v1::EVENT_KIND_STATE);
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  const Interrupt interrupt([&] { watch->Cancel(); });
  while (true) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    if (interrupt.happened()) {
      context.Note(absl::StrCat("detached: ", name, " goes on at the server"));
      return kDetached;
    }
    if (!event.ok()) return context.Fail(event.status());
    if (!event->has_value()) return PrintEnded(context, client.GetJob(name, v1::JOB_VIEW_BASIC));
    if ((*event)->state().state() == v1::JOB_STATE_PAUSED) {
      context.Note(absl::StrCat(name, " is PAUSED; `trainctl resume ", ShortName(name), "` lets it go on"));
    }
  }
}

}  // namespace

int WaitForOperation(const Context& context, const std::string& name) {
  int code = kOk;
  const std::optional<v1::Operation> operation = AwaitOperation(context, context.MakeClient(), name, &code);
  if (!operation) return code;
  const v1::OperationState state = MetadataOf(*operation).state();
  if (context.json) {
    context.PrintJson(*operation);
  } else if (!context.quiet) {
    context.out() << name << " " << EnumName(state);
    if (operation->has_error()) context.out() << ": " << Printable(operation->error().message());
    context.out() << "\n";
    if (!operation->has_error()) context.Note(absl::StrCat("  trainctl operation result ", name, "   what it made"));
  }
  if (!operation->has_error()) return kOk;
  return state == v1::OPERATION_STATE_CANCELLED ? kJobCancelled : kJobFailed;
}

void AddWaitCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("wait", "Wait until jobs and operations have ended");
  command.footer(
      "Examples:\n"
      "  trainctl wait cnn resnet && echo both have SUCCEEDED\n"
      "  trainctl wait operations/3f2a\n"
      "  trainctl wait $(trainctl model eval cnn --async)\n"
      "The exit code is 0 when all have SUCCEEDED, else that of the first that has not. Ctrl-C detaches.");
  auto names = std::make_shared<std::vector<std::string>>();
  command.add_option("NAME", *names, "Jobs and operations (operations/ID)")->required();
  command.callback([&context, names] {
    context.action = [&context, names] {
      return ForEach(*names, [&](const std::string& name) {
        return absl::StartsWith(name, "operations/") ? WaitForOperation(context, name)
                                                     : WaitForJob(context, JobName(name));
      });
    };
  });
}

}  // namespace traind::client
