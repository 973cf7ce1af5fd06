// `trainctl logs`: what a job said, without its numbers.
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/logs_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"

namespace traind::client {
namespace {

int Logs(const Context& context, const std::string& name, bool follow) {
  v1::WatchJobRequest request;
  request.set_name(name);
  request.add_kinds(v1::EVENT_KIND_LOG);
  request.set_until_now(!follow);
  const std::unique_ptr<JobWatch> watch = context.MakeClient().WatchJob(request);
  const Interrupt interrupt([&] { watch->Cancel(); });
  while (true) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    if (interrupt.happened()) return kDetached;
    if (!event.ok()) return context.Fail(event.status());
    if (!event->has_value()) return kOk;
    if (context.json) {
      context.PrintJson(**event);
    } else {
      context.out() << LogLines(**event) << std::flush;
    }
    if (context.out().fail()) return kFailed;  // Whoever reads has gone.
  }
}

}  // namespace

std::string LogLines(const v1::Event& event) {
  const std::string prefix =
      absl::StrFormat("%s  step %-8d ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(event.time()), absl::LocalTimeZone()), event.step());
  if (event.has_log()) {
    const v1::LogLine& line = event.log();
    return absl::StrCat(prefix, line.level() == v1::LogLine::LEVEL_INFO ? "" : EnumName(line.level()) + ": ",
                        Printable(line.text()), "\n");
  }
  if (!event.has_state()) return "";
  const v1::StateChange& change = event.state();
  const std::string& why = change.has_error() ? change.error().message() : change.reason();
  std::string lines = absl::StrCat(prefix, EnumName(change.state()), why.empty() ? "" : ": ", Printable(why), "\n");
  for (const std::string& last : change.error().last_log_lines()) {
    absl::StrAppend(&lines, prefix, "| ", Printable(last), "\n");
  }
  return lines;
}

void AddLogsCommand(CLI::App& app, Context& context) {
  CLI::App& command =
      *app.add_subcommand("logs", "What a job said: its log, changes of its state, a crash's last lines");
  command.footer(
      "Examples:\n"
      "  trainctl logs cnn\n"
      "  trainctl logs cnn -f              goes on until the job has ended; Ctrl-C detaches\n"
      "  trainctl logs cnn --json | jq -r 'select(.log) | .log.text'\n"
      "`trainctl watch` has the numbers.");
  auto name = std::make_shared<std::string>();
  auto follow = std::make_shared<bool>(false);
  command.add_option("JOB", *name, "Job whose log to show")->required();
  command.add_flag("-f,--follow", *follow, "Wait for more until the job has ended");
  command.callback([&context, name, follow] {
    context.action = [&context, name, follow] { return Logs(context, JobName(*name), *follow); };
  });
}

}  // namespace traind::client
