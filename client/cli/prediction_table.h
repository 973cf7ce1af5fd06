// The table of `trainctl model predict`. Its columns do not move from one part to the next. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/context.h"
#include "client/cli/prediction_rows.h"
#include "client/cli/styled.h"

namespace traind::client {

class PredictionTable {
 public:
  // Of `examples` in all. The arguments outlive it.
  PredictionTable(const Context& context, int64_t examples, const PredictionStyle& style);

  void Write(const PredictionRows& rows);
  // What all examples together say, to the error stream.
  void Finish() const;

 private:
  std::vector<Span> Beginning(const PredictionRows& rows, int64_t i) const;
  std::vector<Column> BeginningColumns() const;
  Table Classes(const PredictionRows& rows);
  Table Targets(const PredictionRows& rows);
  Table Outputs(const PredictionRows& rows) const;

  const Context& context_;
  const int64_t examples_;
  const PredictionStyle& style_;
  int file_width_ = 0;
  bool begun_ = false;
  bool counted_ = false;  // `right_` is.
  int64_t right_ = 0;
  int64_t compared_ = 0;   // Numbers with a target.
  double error_sum_ = 0;   // Of the absolute errors,
  double square_sum_ = 0;  // and of their squares.
};

}  // namespace traind::client
