#include "client/cli/label_command.h"

#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "client/cli/flags.h"

namespace traind::client {

void AddLabelWords(CLI::App& command, Context& context, const char* kind, std::string (*full_name)(absl::string_view),
                   LabelAction action) {
  auto words = std::make_shared<std::vector<std::string>>();
  command.add_option(kind, *words, "Names, then KEY=VALUE to set a label and KEY- to remove one")
      ->required()
      ->type_name("KEY=VALUE KEY-");
  command.callback([&context, words, full_name, action = std::move(action)] {
    context.action = [&context, words, full_name, action] {
      const absl::StatusOr<LabelWords> parsed = ParseLabelWords(*words);
      if (!parsed.ok()) {
        context.Fail(parsed.status());
        return static_cast<int>(kUsage);
      }
      return ForEach(parsed->names, [&](const std::string& name) { return action(full_name(name), parsed->changes); });
    };
  });
}

}  // namespace traind::client
