// docs/job-file.md is made from the .proto files, as ListComponents reads them.
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "core/catalogue/components.h"
#include "gtest/gtest.h"
#include "tests/paths.h"
#include "tests/support/bytes.h"

namespace traind::core {
namespace {

constexpr char kBegin[] = R"(# The job file

A job file is a `traind.v1.JobSpec` in protobuf text format. Here is every field that it can have, with the comments of the
`.proto` files, from which `tests/core/catalogue/job_file_doc_test.cc` makes this page. `trainctl components NAME` shows the
same of one part.

Values of an enum are written by their names (`precision: BF16`), durations as `{ seconds: 90 }`. A field that is `repeated`
may come several times, or as a list: `kernel: [3, 3]`. Of the kinds of a layer, a loss and so on one is chosen:
`layers { conv2d { ... } }`.

The same may be written in YAML or JSON (`job.yaml`, `.yml`, `.json`): the same names, lists in `[]` or one line each, `90s` for
a duration, `"@type"` for an extension's message. Nothing is guessed: a text that YAML takes for something else is in quotes, a
field without a value is refused. `trainctl get JOB --spec -o yaml` prints one, `trainctl schema` the JSON Schema with which
editors complete it.
)";

std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "&lt;"}}); }

// A type that the page tells of is a link there.
std::string Type(const std::string& type, const std::map<std::string, std::string>& places) {
  absl::string_view message = type;
  const bool repeated = absl::ConsumePrefix(&message, "repeated ");
  const auto place = places.find(std::string(message));
  if (place == places.end()) return type;
  return absl::StrCat(repeated ? "repeated " : "", "[", message, "](#", place->second, ")");
}

void AddTable(const char* title, const google::protobuf::RepeatedPtrField<v1::Component::Field>& fields,
              const std::map<std::string, std::string>& places, std::string& page) {
  if (fields.empty()) return;
  absl::StrAppend(&page, "\n| ", title, " | type | meaning |\n|---|---|---|\n");
  for (const auto& field : fields) {
    absl::StrAppend(&page, "| `", field.name(), "` | ", Type(field.type(), places), " | ", Cell(field.summary()),
                    " |\n");
  }
}

std::string ShortMessage(const v1::Component& component) {
  return component.message().substr(component.message().rfind('.') + 1);
}

std::string Page() {
  const v1::ListComponentsResponse response = ListComponents();
  std::map<std::string, std::string> places;  // Of messages by their short names: GitHub's anchors of the headings.
  std::vector<std::string> categories = {"part of a job"};
  for (const auto& component : response.components()) {
    places.emplace(ShortMessage(component), absl::AsciiStrToLower(ShortMessage(component)));
    if (component.category() != categories.back() && component.category() != categories[0]) {
      categories.push_back(component.category());
    }
  }
  std::string page = kBegin;
  for (const std::string& category : categories) {
    absl::StrAppend(&page, "\n## ",
                    category == "part of a job" ? "The parts of a job" : absl::StrCat("Kinds: ", category), "\n");
    for (const auto& component : response.components()) {
      if (component.category() != category) continue;
      absl::StrAppend(&page, "\n### ", ShortMessage(component), "\n\n`", component.name(),
                      "`: ", Cell(component.summary()), "\n");
      AddTable("field", component.fields(), places, page);
      AddTable("beside it", component.beside(), places, page);
    }
  }
  return page;
}

TEST(JobFilePage, IsMadeFromTheProtoFiles) {
  const std::string path = SourcePath("docs/job-file.md");
  const std::string page = Page();
  if (std::getenv("TRAIND_WRITE_DOCS") != nullptr) WriteBytes(path, page);
  EXPECT_TRUE(ReadBytes(path) == page) << "TRAIND_WRITE_DOCS=1 tests/run.sh -R JobFilePage writes it anew";
}

}  // namespace
}  // namespace traind::core
