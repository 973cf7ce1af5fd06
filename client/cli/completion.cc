// `trainctl completion`: scripts made from the declared commands, so that they never fall behind.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/commands.h"

namespace traind::client {
namespace {

// The shell command that lists what an argument can be; empty: a file or free text.
std::string Lister(const std::string& argument) {
  // The newest ones: a server may hold many thousands.
  constexpr char kJobs[] = "trainctl -q list --limit 500 2>/dev/null";
  if (argument == "JOB" || argument == "WEIGHTS" || argument == "CHECKPOINT") return kJobs;
  if (argument == "NAME") return absl::StrCat(kJobs, "; trainctl -q operations --limit 500 2>/dev/null");
  if (argument == "OPERATION") return "trainctl -q operations --limit 500 2>/dev/null";
  if (argument == "SWEEP" || argument == "TRIAL") return "trainctl -q sweep list --limit 500 2>/dev/null";
  if (argument == "DATASET") return "trainctl -q dataset list 2>/dev/null";
  if (argument == "MODEL") return "trainctl -q model list 2>/dev/null";
  if (argument == "UPLOAD") return "trainctl -q upload list 2>/dev/null";
  if (argument == "COMPONENT") return "trainctl -q components 2>/dev/null";
  if (argument == "TOKEN") return "trainctl -q token list 2>/dev/null";
  if (argument == "USER") return "trainctl -q user list 2>/dev/null";
  if (argument == "CONTEXT") return "trainctl -q context list 2>/dev/null";
  if (argument == "SHELL") return "echo bash zsh fish";
  if (argument == "LEVEL") return "echo debug info warning error";
  return "";
}

// One command with what can follow it.
struct Command {
  // What follows an option: words, or the shell command that lists them; both empty: a file or free text.
  struct Values {
    std::string words;
    std::string lister;
  };
  std::string path;  // "dataset import"; empty: trainctl itself.
  std::string help;
  std::vector<const CLI::App*> subcommands;
  std::vector<std::string> options;      // "--split".
  std::map<std::string, Values> values;  // Of the options that take one: "--state", "-l".
  std::string argument;                  // "JOB", "DATASET", "FILE" ... of the first positional; empty: none.
};

// What the option can be: as a check of it says ("TEXT:{debug,info}"), as the context knows it, or by its name.
Command::Values ValuesOf(const CLI::Option& option, const Context& context) {
  if (const auto known = context.option_values.find(&option); known != context.option_values.end()) {
    return {.words = absl::StrJoin(known->second, " "), .lister = ""};
  }
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    return {.words = absl::StrReplaceAll(type.substr(open + 1, close - open - 1), {{",", " "}}), .lister = ""};
  }
  for (const std::string& name : option.get_lnames()) {
    if (name == "dataset") return {.words = "", .lister = Lister("DATASET")};
  }
  return {};
}

void CollectOptions(const CLI::App& app, const Context& context, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    const bool takes_value = option->get_items_expected_max() > 0 && !option->get_positional();
    for (const std::string& name : option->get_lnames()) {
      command.options.push_back("--" + name);
      if (takes_value) command.values["--" + name] = ValuesOf(*option, context);
    }
    for (const std::string& name : option->get_snames()) {
      if (takes_value) command.values["-" + name] = ValuesOf(*option, context);
    }
    if (option->get_positional() && command.argument.empty()) command.argument = option->get_name(true);
  }
}

void Collect(const CLI::App& app, const std::string& path, const Context& context, std::vector<Command>& commands) {
  Command command;
  command.path = path;
  command.help = app.get_description();
  CollectOptions(app, context, command);
  // A group of options is a subcommand without a name.
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name().empty()) {
      CollectOptions(*sub, context, command);
    } else {
      command.subcommands.push_back(sub);
    }
  }
  commands.push_back(command);
  for (const CLI::App* sub : command.subcommands) {
    std::vector<std::string> names = sub->get_aliases();
    names.insert(names.begin(), sub->get_name());
    for (const std::string& name : names) {
      Collect(*sub, path.empty() ? name : absl::StrCat(path, " ", name), context, commands);
    }
  }
}

std::string Names(const std::vector<const CLI::App*>& apps) {
  return absl::StrJoin(apps, " ", [](std::string* out, const CLI::App* app) { absl::StrAppend(out, app->get_name()); });
}

// What follows the options of a command, as cases of a shell.
std::string ValueCases(const Command& command) {
  std::string cases;
  for (const auto& [option, values] : command.values) {
    const std::string words = values.lister.empty() ? values.words : absl::StrCat("$(", values.lister, ")");
    absl::StrAppend(&cases, "    \"", command.path, " ", option, "\") words=\"", words, "\" ;;\n");
  }
  return cases;
}

// zsh runs the same script through its bashcompinit.
std::string BashScript(const std::vector<Command>& commands) {
  std::string cases;
  std::string value_cases;
  for (const Command& command : commands) {
    const std::string lister = Lister(command.argument);
    absl::StrAppend(&cases, "    \"", command.path, "\") words=\"",
                    absl::StrJoin({Names(command.subcommands), absl::StrJoin(command.options, " ")}, " "), "\"");
    if (!lister.empty()) absl::StrAppend(&cases, "\n      [[ $cur != -* ]] && words=\"$(", lister, ")\"");
    absl::StrAppend(&cases, " ;;\n");
    absl::StrAppend(&value_cases, ValueCases(command));
  }
  return absl::StrReplaceAll(
      R"(# trainctl completion
_trainctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path="" word words="" before=""
  COMPREPLY=()
  # "--state=run" comes as three words.
  if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " @COMMANDS@ " in
      *" ${path:+$path/}$word "*) path="${path:+$path/}$word" ;;
    esac
  done
  case "${path//\// }" in
@CASES@  esac
  case "${path//\// } $prev" in
@VALUES@  esac
  # The last one of several.
  [[ $prev == -* && $cur == *,* ]] && before=${cur%,*},
  COMPREPLY=($(compgen -P "$before" -W "$words" -- "${cur#"$before"}"))
}
complete -o default -o bashdefault -F _trainctl trainctl
)",
      {{"@COMMANDS@", absl::StrJoin(commands, " ",
                                    [](std::string* out, const Command& command) {
                                      absl::StrAppend(out, absl::StrReplaceAll(command.path, {{" ", "/"}}));
                                    })},
       {"@CASES@", cases},
       {"@VALUES@", value_cases}});
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
      absl::StrAppend(&script, prefix, " -l ", option.substr(2));
      if (const auto values = command.values.find(option); values != command.values.end()) {
        const auto& [words, lister_of] = values->second;
        const std::string list = lister_of.empty() ? words : absl::StrCat("(", lister_of, ")");
        absl::StrAppend(&script, list.empty() ? " -r" : " -x -a " + quote(list));
      }
      absl::StrAppend(&script, "\n");
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
    context.needs_server = false;
    context.action = [&app, &context, shell] {
      std::vector<Command> commands;
      Collect(app, "", context, commands);
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
