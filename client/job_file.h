// A job as people write it: a traind.v1.JobSpec (or a bare Network) in protobuf text format, YAML or JSON, which
// remembers where each field stood, so that an error of the server can point into the file. Thread-compatible.
#pragma once

#include <google/protobuf/text_format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/errors.h"
#include "client/parse_text.h"
#include "client/parse_yaml.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

class JobFile {
 public:
  // Reads the file at `path`; "-" is the standard input.
  static absl::StatusOr<JobFile> Read(const std::string& path);
  // `name` stands for the file in errors and says what it is: .yaml, .yml, .json; with any other ending than
  // .textproto, what begins with { or --- or has a line "name:" at its left edge is YAML, too, which no text format is.
  // A file whose top-level fields are those of a Network becomes a spec with that network alone. INVALID_ARGUMENT:
  // "name:line:column: what", with the line and, for an unknown field or enum value, the known ones; one behind the
  // other for the first errors that can be told apart.
  static absl::StatusOr<JobFile> Parse(absl::string_view text, std::string name);

  // Applies "field.path=value" as SetField does: steps=100, optimizer.adam.beta1=0.8, data.dataset=fashion,
  // network.layers[conv1].conv2d.kernel=[3,3].
  absl::Status Set(absl::string_view assignment);

  const v1::JobSpec& spec() const { return spec_; }
  bool is_network() const { return is_network_; }  // The file held a bare Network.

  // "job.textproto:17:5: network.layers[3].conv2d.kernel: must be at least 1" and the line of the file; the place is
  // that of the nearest enclosing field which the file has, or the --set that made the field.
  std::string Explain(const FieldViolation& violation) const;

 private:
  using Locations = google::protobuf::TextFormat::ParseInfoTree;
  using Place = google::protobuf::TextFormat::ParseLocation;

  JobFile(std::string name, absl::string_view text);

  // Where the field stood; line -1 when neither it nor a field around it is in the file.
  Place Locate(absl::string_view path) const;
  Place LocateInText(absl::string_view path) const;
  std::string Excerpt(Place at) const;
  // "name:line:column: message" and the line.
  std::string Placed(Place at, absl::string_view message) const;
  std::optional<TextError> ParseAs(absl::string_view text, google::protobuf::Message& message);
  // Where the unknown word or the wrong value is.
  Place PlaceOf(const TextError& error) const;
  // The error, and those behind it: what is wrong is taken out of the text, which is read again.
  absl::Status AllErrors(std::string text, std::optional<TextError> error);
  absl::Status ParseText(absl::string_view text);
  absl::Status ParseYaml(absl::string_view text);

  std::string name_;
  std::vector<std::string> lines_;  // With tabs expanded, as the parser counts columns.
  v1::JobSpec spec_;
  bool is_network_ = false;
  std::unique_ptr<Locations> locations_;  // Of text format; null: `places_` has them.
  FieldPlaces places_;
  std::vector<std::pair<std::string, std::string>> overrides_;  // Field path and assignment, newest last.
};

}  // namespace traind::client
