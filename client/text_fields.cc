#include "client/text_fields.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace traind::client {
namespace {

bool IsName(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Where the place is in the text; its size when it has no such place.
size_t OffsetOf(absl::string_view text, int line, int column) {
  size_t at = 0;
  for (; line > 0; --line) {
    at = text.find('\n', at);
    if (at == text.npos) return text.size();
    ++at;
  }
  for (int shown = 0; at < text.size() && text[at] != '\n' && shown < column; ++at) {
    shown += text[at] == '\t' ? 8 - shown % 8 : 1;
  }
  return at;
}

// Behind blanks and comments.
size_t SkipBlanks(absl::string_view text, size_t at) {
  while (at < text.size()) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (absl::ascii_isspace(static_cast<unsigned char>(text[at]))) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

// Behind the string that begins here.
size_t SkipString(absl::string_view text, size_t at) {
  const char quote = text[at++];
  while (at < text.size() && text[at] != quote && text[at] != '\n') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

// Behind the message or list that begins here.
size_t SkipNested(absl::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = SkipString(text, at);
      continue;
    }
    if (c == '#') {
      at = SkipBlanks(text, at);
      continue;
    }
    depth += c == '{' || c == '<' || c == '[' ? 1 : c == '}' || c == '>' || c == ']' ? -1 : 0;
    ++at;
    if (depth == 0) break;
  }
  return at;
}

size_t SkipValue(absl::string_view text, size_t at) {
  if (at >= text.size()) return at;
  if (text[at] == '{' || text[at] == '<' || text[at] == '[') return SkipNested(text, at);
  if (text[at] == '"' || text[at] == '\'') {
    while (at < text.size() && (text[at] == '"' || text[at] == '\'')) at = SkipBlanks(text, SkipString(text, at));
    return at;
  }
  constexpr absl::string_view kEnds = " \t\r\n,;{}<>[]#";
  return std::min(text.find_first_of(kEnds, at), text.size());
}

// Where the field begins whose name or value is at `at`; npos: there is none.
size_t BeginOfField(absl::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && IsName(text[end])) ++end;
  const size_t next = SkipBlanks(text, end);
  const bool value_follows = next < text.size() && (text[next] == ':' || text[next] == '{' || text[next] == '<');
  if (end > at && value_follows) return at;
  const auto back = [&](const auto& is) {
    while (at > 0 && is(text[at - 1])) --at;
  };
  const auto is_space = [](char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); };
  back(is_space);
  if (at == 0 || text[at - 1] != ':') return text.npos;
  --at;
  back(is_space);
  const size_t name_end = at;
  back(IsName);
  return at < name_end ? at : text.npos;
}

}  // namespace

bool BlankField(int line, int column, std::string& text) {
  const size_t begin = BeginOfField(text, OffsetOf(text, line, column));
  if (begin == std::string::npos) return false;
  size_t end = begin;
  while (end < text.size() && IsName(text[end])) ++end;
  end = SkipBlanks(text, end);
  if (end < text.size() && text[end] == ':') end = SkipBlanks(text, end + 1);
  end = SkipValue(text, end);
  const size_t separator = SkipBlanks(text, end);
  if (separator < text.size() && (text[separator] == ',' || text[separator] == ';')) end = separator + 1;
  for (size_t i = begin; i < end; ++i) {
    if (text[i] != '\n' && text[i] != '\t') text[i] = ' ';
  }
  return true;
}

}  // namespace traind::client
