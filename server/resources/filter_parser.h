// The parser of Filter, by recursive descent. For filter.cc alone. Used once, by one thread.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/resources/filter.h"

namespace traind::server {

class FilterParser {
 public:
  FilterParser(absl::string_view text, const Fields& fields, const core::FieldErrors& error)
      : text_(text), fields_(fields), error_(error) {}

  // Everything matches after a violation.
  Filter::Node Parse();

 private:
  using Node = Filter::Node;
  using Operator = Filter::Operator;

  // Each reads one thing of the grammar in filter.h into `node`; false after a violation.
  bool ReadFilter(Node& node);
  bool ReadAlternatives(Node& node);
  bool ReadTerm(Node& node);
  bool ReadGroup(Node& node);
  bool ReadComparison(Node& node);
  bool ReadKey(Node& node);
  bool ReadOperator(Operator& op);
  bool ReadPresence(Node& node);
  bool ReadValue(std::string& value);
  bool ReadQuoted(std::string& value);
  // Turns the text of a value, which begins at `begin`, into what the field holds.
  bool Convert(absl::string_view value, size_t begin, Node& node);
  bool ConvertEnum(absl::string_view value, size_t begin, Node& node);

  void SkipBlanks();
  bool AtEnd() const { return at_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  // Goes behind the word when it comes next and ends there.
  bool TakeKeyword(absl::string_view word);
  // The characters that come next for as long as `wanted` says so.
  template <class Wanted>
  absl::string_view TakeWhile(Wanted wanted) {
    const size_t begin = at_;
    while (!AtEnd() && wanted(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // Records the violation at a byte of the text.
  bool Fail(size_t at, absl::string_view description);

  const absl::string_view text_;
  const Fields& fields_;
  const core::FieldErrors error_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace traind::server
