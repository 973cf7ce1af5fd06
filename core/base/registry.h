// The registry of components: each kind of layer, activation, initializer, ... is one .cc file that registers a
// factory for its config message. Configurations hold components in a `oneof kind`, and the registry turns the branch
// that is set into an object. Filled before main(), read-only afterwards, so it needs no lock.
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
#include "google/protobuf/message.h"

namespace traind::core {

// The name of the branch that is set in `holder`'s oneof `kind`: what users call the component. Empty for none.
inline std::string KindOf(const google::protobuf::Message& holder) {
  const auto* kinds = holder.GetDescriptor()->FindOneofByName("kind");
  const auto* field = holder.GetReflection()->GetOneofFieldDescriptor(holder, kinds);
  return field == nullptr ? "" : std::string(field->name());
}

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
    const auto* reflection = holder.GetReflection();
    const auto* kinds = holder.GetDescriptor()->FindOneofByName("kind");
    const auto* field = reflection->GetOneofFieldDescriptor(holder, kinds);
    if (field == nullptr) {
      std::string known;
      for (int i = 0; i < kinds->field_count(); ++i) absl::StrAppend(&known, i ? ", " : "", kinds->field(i)->name());
      errors.Add(absl::StrCat("must be one of: ", known));
      return nullptr;
    }
    auto entry = entries_.find(field->message_type()->full_name());
    if (entry == entries_.end()) {
      errors.At(field->name()).Add("has no implementation in this build");
      return nullptr;
    }
    return entry->second.make(*reflection->MutableMessage(&holder, field), errors.At(field->name()));
  }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

// Registers `make` for Config at program start, at namespace scope of the component's .cc file:
//   const Registered<Layer, v1::Dense> kRegistered("y = W x + b", [](v1::Dense& config, const FieldErrors& errors)
//   {...});
template <class Interface, class Config>
class Registered {
 public:
  template <class Make>
  Registered(std::string summary, Make make) {
    auto factory = [make](google::protobuf::Message& config, const FieldErrors& errors) -> std::unique_ptr<Interface> {
      return make(static_cast<Config&>(config), errors);
    };
    Registry<Interface>::Get().Add(Config::descriptor()->full_name(), {std::move(summary), std::move(factory)});
  }
};

}  // namespace traind::core
