// `trainctl context ...`: the servers that a person uses, by name.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/server_contexts.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

// Reads the contexts, changes them, and writes them again.
int Change(const Context& context,
           const std::function<absl::Status(const std::string& path, ServerContexts&)>& change) {
  const auto path = ContextsPath(std::getenv);
  if (!path.ok()) return context.Fail(path.status());
  auto contexts = ReadContexts(*path);
  if (!contexts.ok()) return context.Fail(contexts.status());
  absl::Status status = change(*path, *contexts);
  if (status.ok()) status = WriteContexts(*path, *contexts);
  return status.ok() ? static_cast<int>(kOk) : context.Fail(status);
}

std::string Absolute(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

std::string TokenFileOf(const std::string& contexts, const std::string& name) {
  return absl::StrCat(std::filesystem::path(contexts).parent_path().string(), "/", name, ".token");
}

// The paths as they hold wherever the next command runs; a token from the standard input goes into a file.
absl::StatusOr<CredentialFiles> Kept(const std::string& contexts, const std::string& name, CredentialFiles files) {
  const auto read = ReadCredentials(files);
  if (!read.ok()) return read.status();
  files.tls_ca = Absolute(files.tls_ca);
  files.tls_cert = Absolute(files.tls_cert);
  files.tls_key = Absolute(files.tls_key);
  if (files.token_file != "-") {
    files.token_file = Absolute(files.token_file);
    return files;
  }
  files.token_file = TokenFileOf(contexts, name);
  if (absl::Status status = WritePrivate(files.token_file, read->token + "\n"); !status.ok()) return status;
  return files;
}

int Add(const Context& context, const std::string& name) {
  const ServerFlags& flags = context.flags;
  if (flags.server.empty()) {
    context.err() << "error: --server is required: the address that the context stands for\n";
    return kUsage;
  }
  const int code = Change(context, [&](const std::string& path, ServerContexts& contexts) -> absl::Status {
    if (absl::Status status = CheckContextName(name); !status.ok()) return status;
    auto files = Kept(path, name, flags.files);
    if (!files.ok()) return files.status();
    contexts.by_name[name] = {.server = flags.server, .files = *std::move(files)};
    if (contexts.current.empty()) contexts.current = name;
    return absl::OkStatus();
  });
  if (code == kOk) context.Note(absl::StrCat("context ", name, " is ", flags.server));
  return code;
}

int Use(const Context& context, const std::string& name) {
  return Change(context, [&](const std::string&, ServerContexts& contexts) -> absl::Status {
    if (contexts.by_name.count(name) == 0) return absl::NotFoundError(absl::StrCat("there is no context ", name));
    contexts.current = name;
    return absl::OkStatus();
  });
}

int Remove(const Context& context, const std::string& name) {
  return Change(context, [&](const std::string& path, ServerContexts& contexts) -> absl::Status {
    if (contexts.by_name.erase(name) == 0) return absl::NotFoundError(absl::StrCat("there is no context ", name));
    if (contexts.current == name) contexts.current = "";
    std::error_code error;
    std::filesystem::remove(TokenFileOf(path, name), error);
    if (!error) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat("cannot remove ", TokenFileOf(path, name), ": ", error.message()));
  });
}

std::string Security(const CredentialFiles& files) {
  std::string text = files.tls || !files.tls_ca.empty() ? "TLS" : "no TLS";
  if (!files.tls_cert.empty()) absl::StrAppend(&text, ", certificate");
  if (!files.token_file.empty()) absl::StrAppend(&text, ", token");
  return text;
}

int List(const Context& context) {
  const auto path = ContextsPath(std::getenv);
  if (!path.ok()) return context.Fail(path.status());
  const auto contexts = ReadContexts(*path);
  if (!contexts.ok()) return context.Fail(contexts.status());
  Table table({{.title = ""}, {.title = "context"}, {.title = "server"}, {.title = "", .rank = 1}});
  for (const auto& [name, of] : contexts->by_name) {
    if (context.quiet) context.out() << name << "\n";
    table.Add({{.text = name == contexts->current ? "*" : ""},
               {.text = Printable(name), .style = Style::kBold},
               {.text = Printable(of.server)},
               {.text = Security(of.files), .style = Style::kDim}});
  }
  if (context.quiet) return kOk;
  if (contexts->by_name.empty()) {
    context.Note("no contexts; `trainctl context add NAME --server HOST:PORT` makes one");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

void AddNamed(CLI::App& app, Context& context, const char* verb, const char* help, const char* footer,
              int (*run)(const Context&, const std::string&)) {
  CLI::App& command = *app.add_subcommand(verb, help);
  command.footer(footer);
  auto name = std::make_shared<std::string>();
  command.add_option("CONTEXT", *name, "Name of the context")->required();
  command.callback([&context, name, run] {
    context.needs_server = false;
    context.action = [&context, name, run] { return run(context, *name); };
  });
}

}  // namespace

void AddContextCommands(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("context", "Servers by name: add, use, list, remove");
  command.require_subcommand(1);
  command.footer(
      "Examples:\n"
      "  trainctl context add lab --server train.example.org:50051 --tls-ca ca.pem --token-file token\n"
      "  trainctl --context lab list\n"
      "They are kept in $XDG_CONFIG_HOME/traind/contexts.json (~/.config where that is not set).");
  AddNamed(command, context, "add", "Add a context, or change one; the first one is in use at once",
           "Examples:\n"
           "  trainctl context add lab --server train.example.org:50051 --tls\n"
           "  trainctl context add lab --server train.example.org:50051 --tls-ca ca.pem --token-file - < token\n"
           "With `--token-file -` the token is kept beside the contexts, in a file that only you can read.",
           Add);
  AddNamed(command, context, "use", "Use a context where nothing else names a server",
           "Example:\n  trainctl context use lab", Use);
  AddNamed(command, context, "remove", "Forget a context, with the token that `add` has kept",
           "Example:\n  trainctl context remove lab", Remove);
  CLI::App& list = *command.add_subcommand("list", "List the contexts; * is the one in use");
  list.footer("Example:\n  trainctl context list");
  list.callback([&context] {
    context.needs_server = false;
    context.action = [&context] { return List(context); };
  });
}

}  // namespace traind::client
