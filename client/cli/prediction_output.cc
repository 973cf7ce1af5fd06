#include "client/cli/prediction_output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/file.h"

namespace traind::client {
namespace {

int64_t ExamplesOf(const v1::PredictResponse& part) { return part.shape_size() > 0 ? part.shape(0) : 0; }
int64_t WidthOf(const v1::PredictResponse& part) { return part.shape_size() > 1 ? part.shape(1) : 0; }

// The table of trainctl predict. Its columns do not move from one part to the next.
class TableWriter : public PredictionWriter {
 public:
  TableWriter(const Context& context, int64_t examples) : context_(context), examples_(examples) {}

  absl::Status Write(const v1::PredictResponse& part) override {
    classes_ = part.classes_size() == ExamplesOf(part) && ExamplesOf(part) > 0;
    labels_ = part.labels_size() == ExamplesOf(part);
    Table table = classes_ ? Classes(part) : Outputs(part);
    const std::vector<StyledLine> lines = table.Lines(context_.console.width);
    for (size_t i = begun_ ? 1 : 0; i < lines.size(); ++i) {
      context_.out() << lines[i].Render(context_.console.width, context_.color()) << "\n";
    }
    begun_ = true;
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    if (classes_ && labels_) context_.Note(absl::StrCat(right_, " of ", examples_, " right"));
    return absl::OkStatus();
  }

 private:
  static constexpr int kNumberWidth = 8;  // Of FormatNumber: "-1.2e-05".

  std::string Number(const v1::PredictResponse& part, int64_t i) const {
    return PadLeft(absl::StrCat(part.first() + i), static_cast<int>(absl::StrCat(part.first() + examples_).size()));
  }

  Table Outputs(const v1::PredictResponse& part) const {
    Table table({{.title = "example", .right = true}, {.title = "outputs"}});
    const bool spread = part.spread_size() == part.outputs_size();
    for (int64_t i = 0; i < ExamplesOf(part); ++i) {
      std::string outputs;
      for (int64_t j = 0; j < WidthOf(part); ++j) {
        const int at = static_cast<int>(i * WidthOf(part) + j);
        absl::StrAppend(&outputs, j == 0 ? "" : "  ", FormatNumber(part.outputs(at)),
                        spread ? absl::StrCat(" +- ", FormatNumber(part.spread(at))) : "");
      }
      table.Add({{.text = Number(part, i)}, {.text = outputs}});
    }
    return table;
  }

  Table Classes(const v1::PredictResponse& part) {
    const bool probable = part.probabilities_size() == part.outputs_size();
    const bool spread = part.spread_size() == part.outputs_size();
    Table table({{.title = "example", .right = true},
                 {.title = "class", .right = true},
                 {.title = labels_ ? "label" : "", .right = true},
                 {.title = ""},
                 {.title = probable ? "probability" : "output", .right = true},
                 {.title = spread ? "spread" : "", .right = true},
                 {.title = ""}});
    for (int64_t i = 0; i < ExamplesOf(part); ++i) {
      const int64_t chosen = part.classes(static_cast<int>(i));
      const bool hit = labels_ && chosen == part.labels(static_cast<int>(i));
      right_ += hit ? 1 : 0;
      const int at = static_cast<int>(i * WidthOf(part) + std::clamp<int64_t>(chosen, 0, WidthOf(part) - 1));
      // One output for two classes is the probability of the second one.
      const bool first_of_two = probable && WidthOf(part) == 1 && chosen == 0;
      const double value = first_of_two ? 1 - part.probabilities(at)
                           : probable   ? part.probabilities(at)
                                        : part.outputs(at);
      table.Add({{.text = Number(part, i)},
                 {.text = absl::StrCat(chosen), .style = Style::kBold},
                 {.text = labels_ ? absl::StrCat(part.labels(static_cast<int>(i))) : ""},
                 {.text = !labels_ ? ""
                          : hit    ? "right"
                                   : "wrong",
                  .style = hit ? Style::kGood : Style::kBad},
                 {.text = probable ? FormatPercent(value) : PadLeft(FormatNumber(value), kNumberWidth)},
                 {.text = spread ? PadLeft(FormatNumber(part.spread(at)), kNumberWidth) : ""},
                 {.text = probable ? Bar(value, 20) : "", .style = Style::kDim}});
    }
    return table;
  }

  const Context& context_;
  const int64_t examples_;
  int64_t right_ = 0;
  bool begun_ = false;
  bool classes_ = false;
  bool labels_ = false;
};

// Each part as it came.
class JsonWriter : public PredictionWriter {
 public:
  explicit JsonWriter(const Context& context) : context_(context) {}
  absl::Status Write(const v1::PredictResponse& part) override {
    context_.PrintJson(part);
    return absl::OkStatus();
  }

 private:
  const Context& context_;
};

// A file that is "<path>.part" until it is whole.
class FileWriter : public PredictionWriter {
 public:
  explicit FileWriter(std::string path)
      : path_(std::move(path)), file_(absl::StrCat(path_, ".part"), std::ios::binary | std::ios::trunc) {}
  ~FileWriter() override {
    if (!whole_) std::remove(absl::StrCat(path_, ".part").c_str());
  }

  absl::Status Write(const v1::PredictResponse& part) override {
    file_ << Encode(part);
    return Check();
  }
  absl::Status Finish() override {
    file_.close();
    if (absl::Status status = Check(); !status.ok()) return status;
    if (std::rename(absl::StrCat(path_, ".part").c_str(), path_.c_str()) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
    }
    whole_ = true;
    return absl::OkStatus();
  }
  absl::Status Begin(const std::string& header) {
    if (absl::Status status = CheckReplaceable(path_); !status.ok()) return status;
    file_ << header;
    return Check();
  }

 private:
  virtual std::string Encode(const v1::PredictResponse& part) = 0;

  absl::Status Check() {
    return file_ ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
  }

  const std::string path_;
  std::ofstream file_;
  bool whole_ = false;
};

// NumPy's format 1.0: a header of a multiple of 64 bytes, then the numbers.
class NpyWriter : public FileWriter {
 public:
  using FileWriter::FileWriter;

  static std::string Header(int64_t examples, int64_t outputs) {
    constexpr size_t kPreamble = 10;  // Magic, version, length of the rest.
    std::string dictionary =
        absl::StrFormat("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", examples, outputs);
    dictionary.append(63 - (kPreamble + dictionary.size()) % 64, ' ');
    dictionary += '\n';
    const auto size = static_cast<uint16_t>(dictionary.size());
    return absl::StrCat(absl::string_view("\x93NUMPY\x01\x00", 8), std::string(1, static_cast<char>(size & 0xFF)),
                        std::string(1, static_cast<char>(size >> 8)), dictionary);
  }

 private:
  std::string Encode(const v1::PredictResponse& part) override {
    return std::string(reinterpret_cast<const char*>(part.outputs().data()), part.outputs().size() * sizeof(float));
  }
};

// "example,class,label,output0,output1,...": class and label where there are any.
class CsvWriter : public FileWriter {
 public:
  using FileWriter::FileWriter;

 private:
  std::string Encode(const v1::PredictResponse& part) override {
    const bool classes = part.classes_size() == ExamplesOf(part);
    const bool labels = part.labels_size() == ExamplesOf(part);
    std::string text;
    if (std::exchange(begun_, true) == false) {
      absl::StrAppend(&text, "example", classes ? ",class" : "", labels ? ",label" : "");
      for (int64_t j = 0; j < WidthOf(part); ++j) absl::StrAppend(&text, ",output", j);
      text += '\n';
    }
    for (int64_t i = 0; i < ExamplesOf(part); ++i) {
      absl::StrAppend(&text, part.first() + i);
      if (classes) absl::StrAppend(&text, ",", part.classes(static_cast<int>(i)));
      if (labels) absl::StrAppend(&text, ",", part.labels(static_cast<int>(i)));
      for (int64_t j = 0; j < WidthOf(part); ++j) {
        absl::StrAppendFormat(&text, ",%.9g", part.outputs(static_cast<int>(i * WidthOf(part) + j)));
      }
      text += '\n';
    }
    return text;
  }

  bool begun_ = false;
};

class JsonLinesWriter : public FileWriter {
 public:
  using FileWriter::FileWriter;

 private:
  std::string Encode(const v1::PredictResponse& part) override { return Context::ToJson(part).value_or("{}") + "\n"; }
};

}  // namespace

absl::Status CheckPredictionOutput(const std::string& path) {
  if (path.empty() || absl::EndsWith(path, ".npy") || absl::EndsWith(path, ".csv") || absl::EndsWith(path, ".jsonl")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("--output ", path, ": must end in .npy, .csv or .jsonl"));
}

absl::StatusOr<std::unique_ptr<PredictionWriter>> MakePredictionWriter(const Context& context,
                                                                       const v1::PredictSplitResponse& made,
                                                                       const std::string& path) {
  if (absl::Status status = CheckPredictionOutput(path); !status.ok()) return status;
  if (path.empty() && context.json) return std::make_unique<JsonWriter>(context);
  if (path.empty()) return std::make_unique<TableWriter>(context, made.examples());
  if (absl::EndsWith(path, ".csv")) return std::make_unique<CsvWriter>(path);
  if (absl::EndsWith(path, ".jsonl")) return std::make_unique<JsonLinesWriter>(path);
  auto file = std::make_unique<NpyWriter>(path);
  if (absl::Status status = file->Begin(NpyWriter::Header(made.examples(), made.outputs())); !status.ok()) {
    return status;
  }
  return file;
}

absl::Status WritePredictions(const v1::PredictResponse& part, const v1::PredictSplitResponse& made,
                              PredictionWriter& writer) {
  if (WidthOf(part) != made.outputs() || part.outputs_size() != ExamplesOf(part) * made.outputs()) {
    return absl::InternalError("the server's answer has outputs of another shape than it says");
  }
  return writer.Write(part);
}

int FinishPredictions(const Context& context, const v1::PredictSplitResponse& made, PredictionWriter& writer,
                      const std::string& path) {
  if (absl::Status status = writer.Finish(); !status.ok()) return context.Fail(status);
  if (path.empty()) return kOk;
  if (context.json) {
    context.PrintJson(made);
  } else {
    context.out() << path;
    if (!context.quiet) context.out() << ": " << made.examples() << " x " << made.outputs() << " outputs";
    context.out() << "\n";
  }
  return kOk;
}

int CopyPredictions(const Context& context, Client client, const v1::PredictSplitResponse& made,
                    const std::string& path) {
  absl::StatusOr<std::unique_ptr<PredictionWriter>> writer = MakePredictionWriter(context, made, path);
  if (!writer.ok()) return context.Fail(writer.status());
  const std::unique_ptr<PredictionReader> reader = client.ReadPredictions(made.operation());
  int64_t examples = 0;
  while (true) {
    const absl::StatusOr<std::optional<v1::PredictResponse>> part = reader->Next();
    if (!part.ok()) return context.Fail(part.status());
    if (!part->has_value()) break;
    examples += ExamplesOf(**part);
    if (absl::Status status = WritePredictions(**part, made, **writer); !status.ok()) return context.Fail(status);
  }
  if (examples != made.examples()) {
    return context.Fail(
        absl::DataLossError(absl::StrCat("the server sent ", examples, " of ", made.examples(), " examples")));
  }
  return FinishPredictions(context, made, **writer, path);
}

}  // namespace traind::client
