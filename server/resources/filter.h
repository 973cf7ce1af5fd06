// The language of `filter` in List requests: a subset of AIP-160 (https://google.aip.dev/160).
//
//   state = RUNNING AND labels.team = "vision"
//   (display_name:lenet OR NOT labels:draft) create_time >= 2026-11-01 -state = FAILED
//
//   filter      = term { "OR" term } { ["AND"] term { "OR" term } }     OR binds tighter than AND, as in AIP-160
//   term        = ["NOT" | "-"] ( comparison | "(" filter ")" )
//   comparison  = field [ "." key ] ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) value
//   value       = a word, or text in " or ' with \ before a quote or a backslash
//
// Strings compare byte by byte, and `:` finds a part of one, whatever the case of ASCII letters. `labels:key` asks for
// a key, `labels.key = value` for its value. `field:*` asks whether there is anything in the field. Enum values go by
// their short or full names, times are RFC 3339 or a date (UTC), durations "90s" or "1h30m", truth values true and
// false. What is absent equals nothing, and is neither less nor greater: `!=` is true exactly when `=` is not.
//
// Parsing takes time linear in the text, matching in the comparisons. Immutable and thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "server/resources/fields.h"

namespace traind::server {

class Filter {
 public:
  // At most so many bytes, and parentheses so deep.
  static constexpr size_t kMaxBytes = 2000;
  static constexpr int kMaxDepth = 20;

  // An empty text matches everything. A text that is wrong is a violation of `error` with the place, "character 12:
  // ...", counted from 1. `fields` outlives the filter.
  static Filter Parse(absl::string_view text, const Fields& fields, const core::FieldErrors& error);

  bool Matches(Parts item) const { return Matches(root_, item); }

 private:
  friend class FilterParser;

  enum class Operator { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kContains, kPresent };
  struct Node {
    enum class Kind { kAll, kAny, kNot, kComparison } kind = Kind::kAll;  // kAll of no children: everything.
    std::vector<Node> children = {};
    const google::protobuf::FieldDescriptor* field = nullptr;
    std::string key = {};  // Of a map.
    Operator op = Operator::kEqual;
    Value value = {};
  };
  static bool Matches(const Node& node, Parts item);
  static bool Compare(const Node& node, Parts item);

  Node root_;
};

}  // namespace traind::server
