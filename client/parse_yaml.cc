#include "client/parse_yaml.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/parse_text.h"
#include "client/suggest.h"
#include "client/yaml_values.h"

namespace traind::client {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::Duration;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;
using Kind = YamlNode::Kind;

// The limit of CodedInputStream, as in parse_text.cc.
constexpr size_t kMostLevels = 100;
constexpr char kTypeKey[] = "@type";

const FieldDescriptor* FindField(const Descriptor& descriptor, const std::string& name) {
  const FieldDescriptor* field = descriptor.FindFieldByName(name);
  return field != nullptr ? field : descriptor.FindFieldByCamelcaseName(name);
}

// A walk over the tree, against the descriptors.
class Reader {
 public:
  explicit Reader(FieldPlaces* places) : places_(places) {}

  void Read(const YamlNode& map, Message& message, const std::string& path) {
    if (++depth_ > kMostLevels) {
      Fail(map, absl::StrCat("messages nest more than ", kMostLevels, " deep"));
    } else if (message.GetDescriptor() == Any::descriptor()) {
      ReadAny(map, static_cast<Any&>(message), path);
    } else {
      ReadFields(map, message, path, false);
    }
    --depth_;
  }

  std::vector<YamlError> errors;

 private:
  void Fail(const YamlNode& node, std::string message) {
    errors.push_back({.message = std::move(message), .at = node.at});
  }

  // `typed`: the map also has a "@type", which is no field.
  void ReadFields(const YamlNode& map, Message& message, const std::string& path, bool typed) {
    const Descriptor& descriptor = *message.GetDescriptor();
    std::map<const FieldDescriptor*, int> lines;                                      // Of those seen.
    std::map<const OneofDescriptor*, std::pair<const FieldDescriptor*, int>> chosen;  // And where.
    for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const YamlNode& key = map.items[i];
      if (typed && key.text == kTypeKey) continue;
      const FieldDescriptor* field = KnownField(key, descriptor);
      if (field == nullptr) continue;
      if (const auto [first, is_new] = lines.emplace(field, key.at.line + 1); !is_new) {
        Fail(key,
             absl::StrCat(field->name(), " stands here for the second time; the first is in line ", first->second));
        continue;
      }
      if (const OneofDescriptor* oneof = field->real_containing_oneof()) {
        const auto [other, is_only] = chosen.emplace(oneof, std::pair(field, key.at.line + 1));
        if (!is_only) {
          Fail(key, absl::StrCat(field->name(), " and ", other->second.first->name(), " (line ", other->second.second,
                                 ") exclude each other: choose one"));
          continue;
        }
      }
      const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
      if (places_ != nullptr) places_->emplace(name, key.at);
      ReadField(key, map.items[i + 1], *field, message, name);
    }
  }

  // Null, and told, where the key names none.
  const FieldDescriptor* KnownField(const YamlNode& key, const Descriptor& descriptor) {
    if (key.kind != Kind::kScalar) {
      Fail(key, "the name of a field must stand here");
      return nullptr;
    }
    const FieldDescriptor* field = FindField(descriptor, key.text);
    if (field == nullptr && key.text == "<<") {
      Fail(key, "merge keys (<<) are not read: write the fields out");
    } else if (field == nullptr) {
      Fail(key, absl::StrCat(descriptor.name(), " has no field \"", key.text, "\"; ",
                             Known("fields", key.text, FieldNames(descriptor))));
    }
    return field;
  }

  void ReadField(const YamlNode& key, const YamlNode& value, const FieldDescriptor& field, Message& message,
                 const std::string& path) {
    if (value.kind == Kind::kNull || (value.kind == Kind::kScalar && value.plain && IsNull(value.text))) {
      const char* empty = field.is_repeated() && !field.is_map() ? "[]" : field.message_type() ? "{}" : "a value";
      return Fail(key, absl::StrCat(field.name(), " has no value: write ", empty, ", or leave the field out"));
    }
    if (field.is_map()) return ReadMap(value, field, message, path);
    if (!field.is_repeated()) return ReadValue(value, field, message, path);
    if (value.kind != Kind::kList) {
      return Fail(value, absl::StrCat(field.name(), " is a list: write [...], or lines that begin with \"- \""));
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      const std::string element = absl::StrCat(path, "[", i, "]");
      if (places_ != nullptr) places_->emplace(element, value.items[i].at);
      ReadValue(value.items[i], field, message, element);
    }
  }

  static bool IsNull(const std::string& text) {
    return text == "null" || text == "Null" || text == "NULL" || text == "~";
  }

  // One value: of the field, or one more of a repeated field.
  void ReadValue(const YamlNode& value, const FieldDescriptor& field, Message& message, const std::string& path) {
    if (field.message_type() != nullptr) return ReadPart(value, field, message, path);
    if (value.kind != Kind::kScalar) {
      return Fail(value, absl::StrCat("one ", field.enum_type() ? "name" : field.cpp_type_name(), " must stand here",
                                      value.kind == Kind::kList ? ", not a list" : ""));
    }
    if (const absl::Status status = SetScalar(value, field, message); !status.ok()) {
      Fail(value, std::string(status.message()));
    }
  }

  void ReadPart(const YamlNode& value, const FieldDescriptor& field, Message& message, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    Message* part =
        field.is_repeated() ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field);
    if (value.kind == Kind::kMap) return Read(value, *part, path);
    const Descriptor& type = *field.message_type();
    if (value.kind == Kind::kScalar && &type == Duration::descriptor()) {
      return ReadDuration(value, static_cast<Duration&>(*part));
    }
    const FieldDescriptor* meant = value.kind == Kind::kScalar ? FindField(type, value.text) : nullptr;
    const std::string form = meant != nullptr && meant->message_type() != nullptr
                                 ? absl::StrCat("{", meant->name(), ": {}}")
                                 : "{FIELD: VALUE}";
    Fail(value, absl::StrCat(field.name(), " is made of fields: write ", form, "; ",
                             Known("fields", value.text, FieldNames(type))));
  }

  void ReadDuration(const YamlNode& value, Duration& duration) {
    absl::Duration parsed;
    if (!absl::ParseDuration(value.text, &parsed) || parsed == absl::InfiniteDuration() ||
        parsed == -absl::InfiniteDuration()) {
      return Fail(value, absl::StrCat("\"", value.text, "\" is no duration, such as 90s, 1.5s or 1h30m"));
    }
    absl::Duration rest;
    duration.set_seconds(absl::IDivDuration(parsed, absl::Seconds(1), &rest));
    duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  }

  // Of texts to texts or numbers: a key and a value are fields of an entry.
  void ReadMap(const YamlNode& value, const FieldDescriptor& field, Message& message, const std::string& path) {
    if (value.kind != Kind::kMap) return Fail(value, absl::StrCat(field.name(), " is a map: write {KEY: VALUE}"));
    const Reflection& reflection = *message.GetReflection();
    std::map<std::string, int> lines;
    for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const YamlNode& key = value.items[i];
      if (const auto [first, is_new] = lines.emplace(key.text, key.at.line + 1); !is_new) {
        Fail(key,
             absl::StrCat("\"", key.text, "\" stands here for the second time; the first is in line ", first->second));
        continue;
      }
      if (value.items[i + 1].kind == Kind::kNull) {
        Fail(key, absl::StrCat("\"", key.text, "\" has no value: write \"\" for an empty one"));
        continue;
      }
      Message& entry = *reflection.AddMessage(&message, &field);
      ReadValue(key, *field.message_type()->map_key(), entry, path);
      ReadValue(value.items[i + 1], *field.message_type()->map_value(), entry, path);
    }
  }

  // A message of a type that this program was linked with, which "@type" names.
  void ReadAny(const YamlNode& map, Any& any, const std::string& path) {
    const YamlNode* type = nullptr;
    for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
      if (map.items[i].text != kTypeKey) continue;
      if (type != nullptr) return Fail(map.items[i], "@type stands here for the second time");
      type = &map.items[i + 1];
    }
    if (type == nullptr) return Fail(map, "the type is missing: write \"@type\": \"type.googleapis.com/MESSAGE\"");
    const std::string name = type->text.substr(type->text.rfind('/') + 1);
    const Descriptor* descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    if (descriptor == nullptr || type->text.find('/') == std::string::npos) {
      return Fail(*type,
                  absl::StrCat("\"", type->text, "\" is no type.googleapis.com/MESSAGE that this program knows"));
    }
    const std::unique_ptr<Message> part(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
    ReadFields(map, *part, path, true);
    any.set_type_url(type->text);
    part->SerializeToString(any.mutable_value());
  }

  FieldPlaces* places_;
  size_t depth_ = 0;
};

}  // namespace

std::vector<YamlError> ReadMessage(const YamlNode& map, Message& message, FieldPlaces* places) {
  message.Clear();
  Reader reader(places);
  if (map.kind == Kind::kMap) {
    reader.Read(map, message, "");
  } else {
    reader.errors.push_back({.message = "fields must stand here: NAME: VALUE", .at = map.at});
  }
  return std::move(reader.errors);
}

}  // namespace traind::client
