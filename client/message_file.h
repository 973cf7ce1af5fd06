// A message as people write it, in protobuf text format, YAML or JSON, which remembers where each field stood, so that
// an error of the server can point into the file. Thread-compatible.
#pragma once

#include <google/protobuf/message.h>
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

namespace traind::client {

class MessageFile {
 public:
  // The text of the file at `path`; "-" is the standard input. Errors as of ReadText (file.h).
  static absl::StatusOr<std::string> ReadText(const std::string& path);
  // What errors call the file at `path`.
  static std::string NameOf(const std::string& path);
  // Reads `text` into `empty`, a message without fields. `name` stands for the file in errors and says what it is:
  // .yaml, .yml, .json; with any other ending than .textproto, what begins with { or --- or has a line "name:" at its
  // left edge is YAML, too, which no text format is. A file whose top-level fields are those of the message's field
  // `part` (may be empty) becomes a message with that field alone. INVALID_ARGUMENT: "name:line:column: what", with the
  // line and, for an unknown field or enum value, the known ones; one behind the other for the first errors that can be
  // told apart.
  static absl::StatusOr<MessageFile> Parse(absl::string_view text, std::string name,
                                           std::unique_ptr<google::protobuf::Message> empty,
                                           absl::string_view part = "");

  // Applies "field.path=value" as SetField does: steps=100, optimizer.adam.beta1=0.8, data.dataset=fashion,
  // network.layers[conv1].conv2d.kernel=[3,3].
  absl::Status Set(absl::string_view assignment);
  // Replaces the message's field `field`, itself a message of that type, by what `file` holds; errors below it are
  // explained by `file` from now on.
  void Include(absl::string_view field, MessageFile file);
  // Errors at or below the field `path` come from `source`, an option of the command line, from now on.
  void AddSource(std::string path, std::string source);

  const google::protobuf::Message& message() const { return *message_; }
  google::protobuf::Message& mutable_message() { return *message_; }
  bool is_part() const { return !part_.empty(); }  // The file held the part alone.

  // "job.textproto:17:5: network.layers[3].conv2d.kernel: must be at least 1" and the line of the file; the place is
  // that of the nearest enclosing field which the file has, or the --set that made the field. The violation's field may
  // begin with "spec.".
  std::string Explain(const FieldViolation& violation) const;

 private:
  using Locations = google::protobuf::TextFormat::ParseInfoTree;
  using Place = google::protobuf::TextFormat::ParseLocation;

  MessageFile(std::string name, absl::string_view text, std::unique_ptr<google::protobuf::Message> empty);

  // The message that the file's top-level fields belong to.
  google::protobuf::Message& Root();
  const google::protobuf::Descriptor& RootType() const;
  // Where the field stood; line -1 when neither it nor a field around it is in the file.
  Place Locate(absl::string_view path) const;
  Place LocateInText(absl::string_view path) const;
  std::string Excerpt(Place at) const;
  // "name:line:column: message" and the line.
  std::string Placed(Place at, absl::string_view message) const;
  std::optional<TextError> ParseRoot(absl::string_view text);
  // Where the unknown word or the wrong value is.
  Place PlaceOf(const TextError& error) const;
  // The error, and those behind it: what is wrong is taken out of the text, which is read again.
  absl::Status AllErrors(std::string text, std::optional<TextError> error);
  absl::Status ParseText(absl::string_view text, absl::string_view part);
  absl::Status ParseYaml(absl::string_view text, absl::string_view part);
  std::string ExplainPath(absl::string_view path, absl::string_view description) const;

  std::string name_;
  std::vector<std::string> lines_;  // With tabs expanded, as the parser counts columns.
  std::unique_ptr<google::protobuf::Message> message_;
  std::string part_;                      // The field whose message the file holds; empty: the whole.
  std::unique_ptr<Locations> locations_;  // Of text format; null: `places_` has them.
  FieldPlaces places_;
  // Field path and where its value came from, newest last.
  std::vector<std::pair<std::string, std::string>> overrides_;
  std::vector<std::pair<std::string, MessageFile>> included_;  // By field.
};

}  // namespace traind::client
