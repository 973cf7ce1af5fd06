#include "client/cli/suspects_page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr char kPageHead[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\n"
    "<style>\n"
    "body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; }\n"
    "main { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 1.2rem; }\n"
    "figure { margin: 0; }\n"
    "img { width: 112px; image-rendering: pixelated; border: 1px solid #8888; }\n"
    "figcaption { overflow-wrap: anywhere; }\n"
    "small { opacity: 0.7; }\n"
    "</style>\n";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(Printable(text),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

}  // namespace

std::string ClassName(const std::vector<std::string>& classes, int64_t label) {
  return label >= 0 && label < static_cast<int64_t>(classes.size()) ? classes[static_cast<size_t>(label)]
                                                                    : absl::StrCat(label);
}

std::string RenderSuspectsPage(const SuspectsPage& page) {
  std::string html = absl::StrCat(kPageHead, "<title>", Escaped(page.title), "</title></head>\n<body><h1>",
                                  Escaped(page.title), "</h1>\n<p>", Escaped(page.words), "</p>\n<main>\n");
  for (size_t i = 0; i < page.suspects.size(); ++i) {
    const Suspect& one = page.suspects[i];
    const std::string label = Escaped(ClassName(page.classes, one.label));
    const std::string taken = Escaped(ClassName(page.classes, one.taken));
    absl::StrAppend(&html, "<figure>");
    if (i < page.pictures.size()) {
      absl::StrAppend(&html, "<img alt=\"example ", one.example, "\" src=\"data:image/png;base64,",
                      absl::Base64Escape(page.pictures[i]), "\">");
    }
    absl::StrAppend(&html, "<figcaption>label <b>", label, "</b><br>taken for <b>", taken, "</b><br><small>example ",
                    one.example, ", margin ", FormatNumber(one.margin), "</small></figcaption></figure>\n");
  }
  return absl::StrCat(html, "</main></body></html>\n");
}

}  // namespace traind::client
