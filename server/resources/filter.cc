#include "server/resources/filter.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "google/protobuf/descriptor.h"
#include "server/resources/filter_parser.h"

namespace traind::server {
namespace {

// `part` is in lower case.
bool ContainsIgnoringCase(absl::string_view text, absl::string_view part) {
  return absl::StrContains(absl::AsciiStrToLower(text), part);
}

// Something that a person would call there: an empty text is not.
bool IsPresent(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? value.index() != 0 : !text->empty();
}

}  // namespace

Filter Filter::Parse(absl::string_view text, const Fields& fields, const core::FieldErrors& error) {
  Filter filter;
  filter.root_ = FilterParser(text, fields, error).Parse();
  return filter;
}

bool Filter::Matches(const Node& node, Parts item) {
  const auto matches = [item](const Node& child) { return Matches(child, item); };
  switch (node.kind) {
    case Node::Kind::kAll:
      return std::all_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kAny:
      return std::any_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kNot:
      return !Matches(node.children.front(), item);
    case Node::Kind::kComparison:
      return Compare(node, item);
  }
  return false;
}

bool Filter::Compare(const Node& node, Parts item) {
  const Value found = node.field->is_map() ? ValueOf(*node.field, node.key, item) : ValueOf(*node.field, item);
  // The presence of a key counts, whatever its value.
  if (node.op == Operator::kPresent) return node.field->is_map() ? found.index() != 0 : IsPresent(found);
  if (node.op == Operator::kNotEqual) return found != node.value;
  if (found.index() != node.value.index()) return false;
  switch (node.op) {
    case Operator::kEqual:
      return found == node.value;
    case Operator::kLess:
      return found < node.value;
    case Operator::kLessEqual:
      return found <= node.value;
    case Operator::kGreater:
      return found > node.value;
    case Operator::kGreaterEqual:
      return found >= node.value;
    case Operator::kContains:
      return ContainsIgnoringCase(std::get<std::string>(found), std::get<std::string>(node.value));
    case Operator::kNotEqual:
    case Operator::kPresent:
      break;
  }
  return false;
}

}  // namespace traind::server
