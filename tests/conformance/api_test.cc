// The shape of the API over its descriptors: what every resource, list, verb and enum has, also one that comes later.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"

// All .proto files, compiled; made by proto/embed.cmake.
extern const unsigned char kDescriptorSet[];
extern const unsigned long kDescriptorSetSize;

namespace traind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

constexpr char kTimestamp[] = "google.protobuf.Timestamp";

// The public files, in the order of their imports.
const std::vector<const FileDescriptor*>& Files() {
  static const auto* const kFiles = [] {
    auto* const pool = new google::protobuf::DescriptorPool;
    auto* const files = new std::vector<const FileDescriptor*>;
    google::protobuf::FileDescriptorSet set;
    set.ParseFromArray(kDescriptorSet, static_cast<int>(kDescriptorSetSize));
    for (const auto& file : set.file()) {
      const FileDescriptor* const built = pool->BuildFile(file);
      if (built->package() == "traind.v1") files->push_back(built);
    }
    return files;
  }();
  return *kFiles;
}

std::vector<const MethodDescriptor*> Methods(absl::string_view prefix = "") {
  std::vector<const MethodDescriptor*> methods;
  for (const FileDescriptor* file : Files()) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const MethodDescriptor* const method = file->service(s)->method(m);
        if (absl::StartsWith(method->name(), prefix)) methods.push_back(method);
      }
    }
  }
  return methods;
}

// The server, what it counts and curves are looked at, and are no resources.
bool IsLook(const Descriptor& type) {
  return type.name() == "ServerInfo" || type.name() == "Storage" || type.name() == "GetQuotaResponse" ||
         type.name() == "Series";
}

// A trial is a line of its sweep's log: it goes with the sweep, its values never change, and its state by itself. So it
// has neither uid, etag and update_time nor an Update and a Delete of its own; what is asked of it says in which state.
bool IsPart(const Descriptor& type) { return type.name() == "Trial"; }

// What a Get method answers with; an Operation has another shape, that of google.longrunning.
std::vector<const Descriptor*> Resources() {
  std::vector<const Descriptor*> resources;
  for (const MethodDescriptor* method : Methods("Get")) {
    const Descriptor* const type = method->output_type();
    if (type->name() != "Operation" && !IsLook(*type) && !IsPart(*type)) resources.push_back(type);
  }
  return resources;
}

bool EndsWithResource(const std::string& method) {
  for (const Descriptor* resource : Resources()) {
    if (absl::EndsWith(method, resource->name())) return true;
  }
  return false;
}

// JobState -> job_state.
std::string SnakeCase(const std::string& camel) {
  std::string snake;
  for (size_t i = 0; i < camel.size(); ++i) {
    if (i > 0 && absl::ascii_isupper(static_cast<unsigned char>(camel[i]))) snake += '_';
    snake += absl::ascii_tolower(static_cast<unsigned char>(camel[i]));
  }
  return snake;
}

// "string" or "google.protobuf.Timestamp"; "repeated string"; "absent".
std::string TypeOf(const Descriptor& message, const std::string& name) {
  const FieldDescriptor* const field = message.FindFieldByName(name);
  if (field == nullptr) return "absent";
  const Descriptor* const type = field->message_type();
  return absl::StrCat(field->is_repeated() ? "repeated " : "",
                      type == nullptr ? field->type_name() : type->full_name());
}

// The request has the field, or its first message does, of a stream that begins with a header.
bool Takes(const Descriptor& request, const std::string& name) {
  if (request.FindFieldByName(name) != nullptr) return true;
  const FieldDescriptor* const header = request.FindFieldByName("header");
  return header != nullptr && header->message_type()->FindFieldByName(name) != nullptr;
}

TEST(Api, EveryResourceHasNameUidTimesAndEtag) {
  std::vector<std::string> names;
  for (const Descriptor* resource : Resources()) {
    SCOPED_TRACE(resource->name());
    names.push_back(resource->name());
    EXPECT_EQ(TypeOf(*resource, "name"), "string");
    EXPECT_EQ(TypeOf(*resource, "uid"), "string");
    EXPECT_EQ(TypeOf(*resource, "create_time"), kTimestamp);
    EXPECT_EQ(TypeOf(*resource, "update_time"), kTimestamp);
    EXPECT_EQ(TypeOf(*resource, "etag"), "string");
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("Job", "Dataset", "Upload", "Checkpoint", "Model", "Sweep"));
}

TEST(Api, EveryPartIsNamedAndListedAndHasItsTimes) {
  int parts = 0;
  for (const MethodDescriptor* method : Methods("Get")) {
    const Descriptor& part = *method->output_type();
    if (!IsPart(part)) continue;
    SCOPED_TRACE(part.name());
    ++parts;
    EXPECT_EQ(TypeOf(part, "name"), "string");
    EXPECT_EQ(TypeOf(part, "create_time"), kTimestamp);
    EXPECT_EQ(TypeOf(part, "end_time"), kTimestamp);
    EXPECT_EQ(Methods(absl::StrCat("List", part.name(), "s")).size(), 1u);
  }
  EXPECT_EQ(parts, 1);
}

TEST(Api, EveryResourceCanBeListedAndDeleted) {
  for (const Descriptor* resource : Resources()) {
    SCOPED_TRACE(resource->name());
    EXPECT_EQ(Methods(absl::StrCat("List", resource->name(), "s")).size(), 1u);
    EXPECT_EQ(Methods(absl::StrCat("Delete", resource->name())).size(), 1u);
  }
}

TEST(Api, EveryListHasPagesAndAFilter) {
  EXPECT_FALSE(Methods("List").empty());
  for (const MethodDescriptor* method : Methods("List")) {
    SCOPED_TRACE(method->name());
    if (method->name() == "ListFindings") continue;  // At most 64 of a job, causes before what they explain.
    EXPECT_EQ(TypeOf(*method->input_type(), "page_size"), "int32");
    if (method->name() == "ListSweepEntries") {  // A log: it goes on behind the sequence that was seen, as WatchJob.
      EXPECT_EQ(TypeOf(*method->input_type(), "after_sequence"), "int64");
      continue;
    }
    EXPECT_EQ(TypeOf(*method->input_type(), "page_token"), "string");
    const bool whole = method->name() == "ListTrials";  // At most 1000 of a sweep, by number or by what came of them.
    EXPECT_EQ(TypeOf(*method->input_type(), "filter"), whole ? "absent" : "string");
    EXPECT_EQ(TypeOf(*method->output_type(), "next_page_token"), "string");
    const bool of_files = method->output_type()->FindFieldByName("unreachable") != nullptr;
    ASSERT_EQ(method->output_type()->field_count(), of_files ? 3 : 2);
    const FieldDescriptor* const items = method->output_type()->FindFieldByNumber(1);
    EXPECT_TRUE(items->is_repeated());
    EXPECT_EQ(absl::StrCat("list_", items->name()), SnakeCase(method->name()));
    const bool of_resources = EndsWithResource(std::string(absl::StripSuffix(method->name(), "s")));
    EXPECT_EQ(TypeOf(*method->input_type(), "order_by"), of_resources || whole ? "string" : "absent");
  }
}

// "Get" of "GetJob".
std::string VerbOf(const MethodDescriptor& method) {
  return method.name().substr(0, method.name().find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1));
}

// Whatever changes or removes a resource, or steers it: all but reading it and making another one of it.
TEST(Api, EveryVerbTakesNameAndEtag) {
  const std::vector<std::string> others = {"Get",      "Watch",   "Create",   "Fork",   "Update", "Import",
                                           "Describe", "Preview", "Download", "Upload", "Export"};
  int verbs = 0;
  for (const MethodDescriptor* method : Methods()) {
    SCOPED_TRACE(method->name());
    const std::string verb = VerbOf(*method);
    if (!EndsWithResource(method->name()) || std::count(others.begin(), others.end(), verb) > 0) continue;
    ++verbs;
    EXPECT_EQ(TypeOf(*method->input_type(), "name"), "string");
    EXPECT_EQ(TypeOf(*method->input_type(), "etag"), "string");
    EXPECT_EQ(method->output_type()->name(), verb == "Delete" ? "Empty" : method->name().substr(verb.size()));
  }
  EXPECT_GE(verbs, 15);
}

TEST(Api, EveryUpdateTakesTheResourceAndAMask) {
  EXPECT_FALSE(Methods("Update").empty());
  for (const MethodDescriptor* method : Methods("Update")) {
    SCOPED_TRACE(method->name());
    const Descriptor& resource = *method->output_type();
    EXPECT_EQ(method->name(), absl::StrCat("Update", resource.name()));
    EXPECT_EQ(TypeOf(*method->input_type(), SnakeCase(resource.name())), resource.full_name());
    EXPECT_EQ(TypeOf(*method->input_type(), "update_mask"), "google.protobuf.FieldMask");
  }
}

// What makes something can be tried again without making it twice.
TEST(Api, WhateverMakesAResourceOrAnOperationTakesARequestId) {
  for (const MethodDescriptor* method : Methods()) {
    SCOPED_TRACE(method->name());
    const std::string& name = method->name();
    const bool steers = absl::StrContains(name, "Operation");
    const bool makes = (method->output_type()->name() == "Operation" && !steers) || absl::StartsWith(name, "Create") ||
                       absl::StartsWith(name, "Fork") || name == "UploadModel";
    EXPECT_EQ(Takes(*method->input_type(), "request_id"), makes);
  }
}

TEST(Api, RequestsAndResponsesAreNamedAfterTheirMethods) {
  for (const MethodDescriptor* method : Methods()) {
    SCOPED_TRACE(method->name());
    EXPECT_EQ(method->input_type()->name(), absl::StrCat(method->name(), "Request"));
    const std::string& response = method->output_type()->name();
    if (absl::EndsWith(response, "Response")) {
      const std::string owner = method->name() == "ReadPredictions" ? "Predict" : method->name();
      EXPECT_EQ(response, absl::StrCat(owner, "Response"));
    } else if (absl::StartsWith(method->name(), "Get")) {
      EXPECT_EQ(absl::StrCat("Get", response), method->name());
    } else if (absl::StartsWith(method->name(), "Delete")) {
      EXPECT_EQ(method->output_type()->full_name(), "google.protobuf.Empty");
    } else if (method->name() == "DescribeNetwork") {
      EXPECT_EQ(response, "NetworkDescription");
    } else if (response != "Operation" && !IsLook(*method->output_type()) && !IsPart(*method->output_type())) {
      EXPECT_EQ(TypeOf(*method->output_type(), "uid"), "string") << response << " is no resource";
    }
  }
}

void ExpectPrefixes(const EnumDescriptor& kinds) {
  const std::string prefix = absl::AsciiStrToUpper(SnakeCase(kinds.name())) + "_";
  EXPECT_EQ(kinds.value(0)->name(), prefix + "UNSPECIFIED");
  EXPECT_EQ(kinds.value(0)->number(), 0);
  for (int i = 0; i < kinds.value_count(); ++i) {
    EXPECT_TRUE(absl::StartsWith(kinds.value(i)->name(), prefix)) << kinds.value(i)->full_name();
  }
}

void ExpectPrefixes(const Descriptor& message) {
  for (int i = 0; i < message.enum_type_count(); ++i) ExpectPrefixes(*message.enum_type(i));
  for (int i = 0; i < message.nested_type_count(); ++i) ExpectPrefixes(*message.nested_type(i));
}

TEST(Api, EveryEnumValueCarriesItsEnumsName) {
  for (const FileDescriptor* file : Files()) {
    for (int i = 0; i < file->enum_type_count(); ++i) ExpectPrefixes(*file->enum_type(i));
    for (int i = 0; i < file->message_type_count(); ++i) ExpectPrefixes(*file->message_type(i));
  }
}

}  // namespace
}  // namespace traind
