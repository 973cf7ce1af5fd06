// `trainctl upload ...`: files on their way to the server.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

int ListUploads(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Upload>> uploads = context.MakeClient().ListUploads(options);
  if (!uploads.ok()) return context.Fail(uploads.status());
  NoteUnreachable(context, options);
  Table table({{.title = "upload"},
               {.title = "size", .right = true},
               {.title = "there", .right = true},
               {.title = ""},
               {.title = "begun", .rank = 2},
               {.title = "last bytes", .rank = 1}});
  for (const v1::Upload& upload : *uploads) {
    if (context.json) context.PrintJson(upload);
    if (context.quiet && !context.json) context.out() << ShortName(upload.name()) << "\n";
    table.Add({{.text = ShortName(upload.name()), .style = Style::kBold},
               {.text = FormatBytes(upload.size_bytes())},
               {.text = FormatBytes(upload.committed_bytes())},
               {.text = upload.complete() ? "complete" : "", .style = Style::kGood},
               {.text = FormatMinute(upload.create_time())},
               {.text = FormatMinute(upload.update_time())}});
  }
  if (context.json || context.quiet) return kOk;
  if (uploads->empty()) {
    context.Note("no uploads; `trainctl dataset upload --help` shows how to send files");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

int DeleteUpload(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteUpload(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

}  // namespace

void AddUploadCommands(CLI::App& app, Context& context) {
  CLI::App& upload = *app.add_subcommand("upload", "Files that `dataset upload` has sent: list, delete");
  upload.require_subcommand(1);
  upload.footer("Examples:\n  trainctl upload list\n  trainctl dataset upload --help");
  {
    CLI::App& command = *upload.add_subcommand("list", "List the uploads by name");
    command.footer(
        "Examples:\n"
        "  trainctl upload list\n"
        "  trainctl upload list --filter 'complete = false' --sort update_time,desc\n"
        "An upload is removed a week after its last bytes came, unless the server was told otherwise (--retain "
        "uploads=).");
    auto flags = std::make_shared<ListFlags>();
    AddListFlags(command, *flags,
                 {.fields = "name, uid, owner, size_bytes, committed_bytes, complete, create_time, update_time"});
    command.callback([&context, flags] {
      context.action = [&context, flags] { return ListUploads(context, ToListOptions(*flags)); };
    });
  }
  AddVerb(upload, context,
          {"delete", "Remove uploads that no import reads",
           "Example:\n  trainctl upload delete crc-8f3a01bc-size-12345", "UPLOAD", UploadName, DeleteUpload});
}

}  // namespace traind::client
