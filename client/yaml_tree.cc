#include "client/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/utf8.h"

namespace traind::client {
namespace {

using google::protobuf::TextFormat;

// Messages nest 100 deep (parse_text.cc); each may stand in a list.
constexpr size_t kMaxLevels = 200;
// Ten thousand layers have about as many. A value takes some hundred bytes.
constexpr size_t kMaxNodes = 500'000;

// The first byte that is no text; npos: there is none.
size_t FirstBadByte(absl::string_view text) {
  const absl::string_view zero("\0", 1);
  return std::min(FirstNonUtf8(text), text.find(zero));
}

// The number in the four hex digits of a \u that stands at `i`; nothing: there is none.
std::optional<uint32_t> EscapeAt(absl::string_view text, size_t i) {
  if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u') return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + i + 2, text.data() + i + 6, value, 16);
  return error == std::errc() && end == text.data() + i + 6 ? std::optional(value) : std::nullopt;
}

// JSON writes a character beyond U+FFFF as two escapes, YAML as one: "\ud83d\ude00" becomes "\U0001F600".
std::string JoinSurrogates(absl::string_view json) {
  std::string joined;
  for (size_t i = 0; i < json.size();) {
    const auto high = EscapeAt(json, i);
    const auto low = high ? EscapeAt(json, i + 6) : std::nullopt;
    if (low && *high >= 0xD800 && *high <= 0xDBFF && *low >= 0xDC00 && *low <= 0xDFFF) {
      absl::StrAppendFormat(&joined, "\\U%08X", 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00));
      i += 12;
    } else {
      const size_t size = json[i] == '\\' && i + 1 < json.size() ? 2 : 1;
      absl::StrAppend(&joined, json.substr(i, size));
      i += size;
    }
  }
  return joined;
}

// Makes the tree. What is refused leaves it as a YamlError, which ReadYamlTree catches.
class TreeMaker : public YAML::EventHandler {
 public:
  TreeMaker(YamlNode& root, const std::vector<absl::string_view>& lines) : root_(root), lines_(lines) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(begun_, true)) Refuse(mark, "a second document begins here: a job file is one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(mark, "", anchor, YamlNode::Kind::kNull); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "anchors and aliases (&name, *name) are not read: write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode& node = Add(mark, tag, anchor, YamlNode::Kind::kScalar);
    node.plain = tag == "?";
    node.text = value;
    // The library makes one byte of each.
    if (FirstNonUtf8(value) != value.npos) {
      throw YamlError{.message = "the escapes \\_ and \\N are not read: write \\u00a0 and \\u0085", .at = node.at};
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Add(mark, tag, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Add(mark, tag, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { open_.pop_back(); }

  // With tabs expanded, as protobuf's parser counts. Goes on from the place before where it can: a line may hold the
  // file.
  TextFormat::ParseLocation Place(const YAML::Mark& mark) {
    if (mark.line < 0) return {0, 0};
    const auto line = static_cast<size_t>(mark.line), byte = static_cast<size_t>(std::max(mark.column, 0));
    if (line != line_ || byte < byte_) {
      line_ = line;
      byte_ = 0;
      column_ = 0;
    }
    const absl::string_view text = line < lines_.size() ? lines_[line] : "";
    for (; byte_ < std::min(byte, text.size()); ++byte_)
      column_ = text[byte_] == '\t' ? column_ / 8 * 8 + 8 : column_ + 1;
    return {mark.line, column_};
  }

 private:
  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string message) {
    throw YamlError{.message = std::move(message), .at = Place(mark)};
  }

  YamlNode& Add(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (anchor != 0) OnAlias(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, "tags (!!str, !name) are not read: leave it out; the field says what its value is");
    }
    if (++nodes_ > kMaxNodes) Refuse(mark, absl::StrCat("the file has more than ", kMaxNodes, " values"));
    YamlNode& node = open_.empty() ? root_ : open_.back()->items.emplace_back();
    node.kind = kind;
    node.at = Place(mark);
    return node;
  }

  void Open(YamlNode& node, const YAML::Mark& mark) {
    if (open_.size() == kMaxLevels) Refuse(mark, absl::StrCat("the file nests more than ", kMaxLevels, " deep"));
    open_.push_back(&node);
  }

  YamlNode& root_;
  const std::vector<absl::string_view>& lines_;
  std::vector<YamlNode*> open_;  // A list grows only while it is the last of these.
  size_t nodes_ = 0;
  size_t line_ = 0, byte_ = 0;  // Of the place before.
  int column_ = 0;
  bool begun_ = false;
};

TextFormat::ParseLocation PlaceOfByte(absl::string_view text, size_t byte) {
  const absl::string_view before = text.substr(0, byte);
  const auto line = std::count(before.begin(), before.end(), '\n');
  const size_t begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return {static_cast<int>(line), static_cast<int>(byte - begin)};
}

// The library's words, with what helps.
std::string Explained(const YAML::Exception& error) {
  std::string message = error.msg;
  if (absl::StrContains(message, "tab")) absl::StrAppend(&message, "; indent with spaces");
  if (absl::StrContains(message, "end of map") || absl::StrContains(message, "end of sequence")) {
    absl::StrAppend(&message, "; is a line indented otherwise than its neighbours, or a comma or a bracket missing?");
  }
  return message;
}

}  // namespace

std::optional<YamlError> ReadYamlTree(absl::string_view text, YamlNode& root) {
  if (const size_t bad = FirstBadByte(text); bad != text.npos) {
    return YamlError{.message = "this byte is no UTF-8 text", .at = PlaceOfByte(text, bad)};
  }
  root = YamlNode();
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  TreeMaker maker(root, lines);
  const bool json = absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{");
  try {
    std::istringstream stream(json ? JoinSurrogates(text) : std::string(text));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(maker)) {
    }
  } catch (const YamlError& error) {
    return error;
  } catch (const YAML::Exception& error) {
    return YamlError{.message = Explained(error), .at = maker.Place(error.mark)};
  }
  return std::nullopt;
}

}  // namespace traind::client
