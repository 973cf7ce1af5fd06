// `trainctl completion`: scripts made from the declared commands, so that they never fall behind.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/commands.h"

namespace traind::client {
namespace {

// One command with what can follow it.
struct Command {
  std::string path;  // "dataset import"; empty: trainctl itself.
  std::string help;
  std::vector<const CLI::App*> subcommands;
  std::vector<std::string> options;  // "--split".
  std::string argument;              // "JOB", "DATASET", "FILE" ... of the first positional; empty: none.
};

void CollectOptions(const CLI::App& app, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) command.options.push_back("--" + name);
    if (option->get_positional() && command.argument.empty()) command.argument = option->get_name(true);
  }
}

void Collect(const CLI::App& app, const std::string& path, std::vector<Command>& commands) {
  Command command{.path = path, .help = app.get_description(), .subcommands = {}, .options = {}, .argument = ""};
  CollectOptions(app, command);
  // A group of options is a subcommand without a name.
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name().empty()) {
      CollectOptions(*sub, command);
    } else {
      command.subcommands.push_back(sub);
    }
  }
  commands.push_back(command);
  for (const CLI::App* sub : command.subcommands) {
    Collect(*sub, path.empty() ? sub->get_name() : absl::StrCat(path, " ", sub->get_name()), commands);
  }
}

std::string Names(const std::vector<const CLI::App*>& apps) {
  return absl::StrJoin(apps, " ", [](std::string* out, const CLI::App* app) { absl::StrAppend(out, app->get_name()); });
}

// The shell command that lists what an argument can be; empty: a file or free text.
std::string Lister(const std::string& argument) {
  // The newest ones: a server may hold many thousands.
  constexpr char kJobs[] = "trainctl -q list --limit 500 2>/dev/null";
  if (argument == "JOB" || argument == "WEIGHTS" || argument == "CHECKPOINT") return kJobs;
  if (argument == "NAME") return absl::StrCat(kJobs, "; trainctl -q operations --limit 500 2>/dev/null");
  if (argument == "OPERATION") return "trainctl -q operations --limit 500 2>/dev/null";
  if (argument == "DATASET") return "trainctl -q dataset list 2>/dev/null";
  if (argument == "MODEL") return "trainctl -q model list 2>/dev/null";
  if (argument == "UPLOAD") return "trainctl -q upload list 2>/dev/null";
  if (argument == "COMPONENT") return "trainctl -q components 2>/dev/null";
  if (argument == "SHELL") return "echo bash zsh fish";
  return "";
}

// zsh runs the same script through its bashcompinit.
std::string BashScript(const std::vector<Command>& commands) {
  std::string cases;
  for (const Command& command : commands) {
    const std::string lister = Lister(command.argument);
    absl::StrAppend(&cases, "    \"", command.path, "\") words=\"",
                    absl::StrJoin({Names(command.subcommands), absl::StrJoin(command.options, " ")}, " "), "\"");
    if (!lister.empty()) absl::StrAppend(&cases, "\n      [[ $cur != -* ]] && words=\"$(", lister, ")\"");
    absl::StrAppend(&cases, " ;;\n");
  }
  return absl::StrReplaceAll(
      R"(# trainctl completion
_trainctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} path="" word words=""
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " @COMMANDS@ " in
      *" ${path:+$path/}$word "*) path="${path:+$path/}$word" ;;
    esac
  done
  case "${path//\// }" in
@CASES@  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -o bashdefault -F _trainctl trainctl
)",
      {{"@COMMANDS@", absl::StrJoin(commands, " ",
                                    [](std::string* out, const Command& command) {
                                      absl::StrAppend(out, absl::StrReplaceAll(command.path, {{" ", "/"}}));
                                    })},
       {"@CASES@", cases}});
}

std::string FishScript(const std::vector<Command>& commands) {
  const auto quote = [](const std::string& text) {
    return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}, {"\n", " "}}), "'");
  };
  std::string script = "# trainctl completion\n";
  for (const Command& command : commands) {
    std::string condition = "__fish_use_subcommand";
    if (!command.path.empty()) {
      condition = absl::StrCat("__fish_seen_subcommand_from ",
                               absl::StrReplaceAll(command.path, {{" ", "; and __fish_seen_subcommand_from "}}));
    }
    const std::string prefix = absl::StrCat("complete -c trainctl -n ", quote(condition));
    for (const CLI::App* sub : command.subcommands) {
      absl::StrAppend(&script, prefix, " -f -a ", sub->get_name(), " -d ", quote(sub->get_description()), "\n");
    }
    for (const std::string& option : command.options) {
      absl::StrAppend(&script, prefix, " -l ", option.substr(2), "\n");
    }
    const std::string lister = Lister(command.argument);
    if (!lister.empty()) absl::StrAppend(&script, prefix, " -f -a '(", lister, ")'\n");
  }
  return script;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("completion", "Print a completion script for a shell");
  command.footer(
      "Examples:\n"
      "  source <(trainctl completion bash)                                      now\n"
      "  trainctl completion bash > ~/.local/share/bash-completion/completions/trainctl\n"
      "  trainctl completion zsh  > ~/.trainctl.zsh; echo 'source ~/.trainctl.zsh' >> ~/.zshrc\n"
      "  trainctl completion fish > ~/.config/fish/completions/trainctl.fish");
  auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command.callback([&app, &context, shell] {
    context.action = [&app, &context, shell] {
      std::vector<Command> commands;
      Collect(app, "", commands);
      if (*shell == "fish") {
        context.out() << FishScript(commands);
      } else {
        if (*shell == "zsh") context.out() << "autoload -U +X bashcompinit && bashcompinit\n";
        context.out() << BashScript(commands);
      }
      return static_cast<int>(kOk);
    };
  });
}

}  // namespace traind::client
