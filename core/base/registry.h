// The registry of components: each kind of layer, activation, initializer, ... is one .cc file that registers a
// factory for its config message. Configurations hold components in a `oneof kind`, and the registry turns the branch
// that is set into an object. Filled before main(), read-only afterwards, so it needs no lock. A component whose
// message is in no `oneof` is reached by `extension` (core/base/kind.h).
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/base/kind.h"
#include "google/protobuf/message.h"

namespace traind::core {

// All components behind one interface, keyed by the full name of their config message.
template <class Interface>
class Registry {
 public:
  // Checks the config, fills in its defaults (the config is what the user sees as resolved), and builds the component.
  // Violations go to `errors`; the result may then be null.
  using Factory =
      std::function<std::unique_ptr<Interface>(google::protobuf::Message& config, const FieldErrors& errors)>;
  struct Entry {
    std::string summary;  // One sentence for ListComponents.
    Factory make;
    const google::protobuf::Message* config = nullptr;  // An empty one, for its descriptor.
  };

  static Registry& Get() {
    static Registry registry;
    return registry;
  }

  // Ends the program when the message has a factory already: that is a fault of the build.
  void Add(std::string_view message, Entry entry) {
    if (!entries_.emplace(message, std::move(entry)).second) {
      std::fprintf(stderr, "two components registered for %.*s\n", static_cast<int>(message.size()), message.data());
      std::abort();
    }
  }

  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  // The component of the branch that is set in `holder`'s oneof `kind`. Null after a violation; when nothing is set,
  // the violation lists the known kinds.
  std::unique_ptr<Interface> Create(google::protobuf::Message& holder, const FieldErrors& errors) const {
    const auto* field = KindField(holder);
    if (field == nullptr) {
      const auto* kinds = holder.GetDescriptor()->FindOneofByName("kind");
      std::string known;
      for (int i = 0; i < kinds->field_count(); ++i) {
        if (!IsExtension(*kinds->field(i))) absl::StrAppend(&known, i ? ", " : "", kinds->field(i)->name());
      }
      errors.Add(absl::StrCat("must be one of: ", known));
      return nullptr;
    }
    google::protobuf::Message& config = *holder.GetReflection()->MutableMessage(&holder, field);
    const FieldErrors at = errors.At(field->name());
    if (IsExtension(*field)) return CreateExtension(static_cast<google::protobuf::Any&>(config), at);
    auto entry = entries_.find(field->message_type()->full_name());
    if (entry != entries_.end()) return entry->second.make(config, at);
    at.Add("has no implementation in this build");
    return nullptr;
  }

 private:
  std::unique_ptr<Interface> CreateExtension(google::protobuf::Any& extension, const FieldErrors& errors) const {
    const auto entry = entries_.find(ExtensionName(extension));
    if (entry == entries_.end()) {
      errors.Add(absl::StrCat("this program was built without \"", ExtensionName(extension), "\""));
      return nullptr;
    }
    const std::unique_ptr<google::protobuf::Message> config(entry->second.config->New());
    if (!config->ParseFromString(extension.value())) {
      errors.Add(absl::StrCat("holds no ", ExtensionName(extension)));
      return nullptr;
    }
    auto made = entry->second.make(*config, errors);
    extension.PackFrom(*config);
    return made;
  }

  std::map<std::string, Entry, std::less<>> entries_;
};

// Registers `make` for Config at program start, at namespace scope of the component's .cc file:
//   const Registered<Layer, v1::Dense> kDense("y = W x + b", [](v1::Dense& config, const FieldErrors& errors) {...});
template <class Interface, class Config>
class Registered {
 public:
  template <class Make>
  Registered(std::string summary, Make make) {
    auto factory = [make](google::protobuf::Message& config, const FieldErrors& errors) -> std::unique_ptr<Interface> {
      return make(static_cast<Config&>(config), errors);
    };
    Registry<Interface>::Get().Add(Config::descriptor()->full_name(),
                                   {std::move(summary), std::move(factory), &Config::default_instance()});
  }
};

}  // namespace traind::core
