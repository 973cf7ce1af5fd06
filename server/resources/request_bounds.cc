#include "server/resources/request_bounds.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Bound {
  absl::string_view field;
  int most;
};

constexpr int kMostLayers = 20'000;
constexpr int kBySize = 8 << 20;  // As many as fit into a request: numbers, which cost what they take.

// Fields that may have more items than others.
constexpr Bound kBounds[] = {
    {"traind.v1.GetSeriesRequest.layers", kMostLayers},
    {"traind.v1.WatchJobRequest.layers", kMostLayers},
    {"traind.v1.Examples.values", kBySize},
    {"traind.v1.ImportDatasetRequest.class_names", kBySize},
    {"traind.v1.SplitSource.more_examples", 10'000},
    {"traind.v1.CsvOptions.target_columns", 100'000},
    {"traind.v1.CsvOptions.feature_columns", 100'000},
    {"traind.v1.CsvOptions.drop_columns", 100'000},
    {"traind.v1.CsvOptions.categorical_columns", 100'000},
};

int MostOf(const FieldDescriptor& field) {
  for (const Bound& bound : kBounds) {
    if (field.full_name() == std::string(bound.field)) return bound.most;
  }
  const bool layers = field.message_type() != nullptr && field.message_type()->full_name() == "traind.v1.Layer";
  return layers ? kMostLayers : kMostItems;
}

}  // namespace

void CheckRepeatedFields(const Message& message, const core::FieldErrors& errors) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool holds = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (holds) CheckRepeatedFields(reflection.GetMessage(message, field), errors.At(field->name()));
      continue;
    }
    const int size = reflection.FieldSize(message, field);
    if (const int most = MostOf(*field); size > most) {
      errors.At(field->name()).Add(absl::StrCat("has ", size, " items; at most ", most));
      continue;
    }
    for (int i = 0; holds && i < size; ++i) {
      CheckRepeatedFields(reflection.GetRepeatedMessage(message, field, i), errors.At(field->name(), i));
    }
  }
}

}  // namespace traind::server
