#include "client/cli/prediction_output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/cli/prediction_table.h"
#include "client/file.h"

namespace traind::client {
namespace {

using Json = nlohmann::ordered_json;

// The bytes of predictions in a file or a stream.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual std::string Header() { return ""; }
  virtual std::string Encode(const PredictionRows& rows, const v1::PredictResponse& part) = 0;
};

// NumPy's format 1.0: a header of a multiple of 64 bytes, then the numbers.
class NpyEncoder : public Encoder {
 public:
  NpyEncoder(int64_t examples, int64_t outputs) : examples_(examples), outputs_(outputs) {}

  std::string Header() override {
    constexpr size_t kPreamble = 10;  // Magic, version, length of the rest.
    std::string dictionary =
        absl::StrFormat("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", examples_, outputs_);
    dictionary.append(63 - (kPreamble + dictionary.size()) % 64, ' ');
    dictionary += '\n';
    const auto size = static_cast<uint16_t>(dictionary.size());
    return absl::StrCat(absl::string_view("\x93NUMPY\x01\x00", 8), std::string(1, static_cast<char>(size & 0xFF)),
                        std::string(1, static_cast<char>(size >> 8)), dictionary);
  }
  std::string Encode(const PredictionRows&, const v1::PredictResponse& part) override {
    return std::string(reinterpret_cast<const char*>(part.outputs().data()), part.outputs().size() * sizeof(float));
  }

 private:
  const int64_t examples_;
  const int64_t outputs_;
};

// As RFC 4180 wants it.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// "example,class,label,output0,output1,...", class and label where there are any; a file behind the example where it
// has one; at the end names of classes, the next best classes, targets and errors, where there are any.
class CsvEncoder : public Encoder {
 public:
  explicit CsvEncoder(const PredictionStyle& style) : style_(style) {}

  std::string Encode(const PredictionRows& rows, const v1::PredictResponse&) override {
    std::string text;
    if (!std::exchange(begun_, true)) AppendTitles(rows, text);
    for (int64_t i = 0; i < rows.examples(); ++i) AppendRow(rows, i, text);
    return text;
  }

 private:
  int More(const PredictionRows& rows) const {
    return rows.classes() ? std::min(style_.top, static_cast<int>(std::max<int64_t>(rows.width(), 2))) : 1;
  }
  void AppendTitles(const PredictionRows& rows, std::string& text) const {
    absl::StrAppend(&text, "example", style_.files.empty() ? "" : ",file", rows.classes() ? ",class" : "",
                    rows.labels() ? ",label" : "");
    for (int64_t j = 0; j < rows.width(); ++j) absl::StrAppend(&text, ",output", j);
    if (rows.named() && rows.classes()) absl::StrAppend(&text, ",class_name", rows.labels() ? ",label_name" : "");
    const bool scored = rows.classes() && rows.probabilities() && (rows.named() || style_.top > 1);
    if (scored) absl::StrAppend(&text, ",probability");
    for (int k = 2; k <= More(rows); ++k) {
      absl::StrAppend(&text, ",class", k, rows.named() ? absl::StrCat(",class_name", k) : "",
                      rows.probabilities() ? ",probability" : ",score", k);
    }
    for (int64_t j = 0; rows.targets() && j < rows.width(); ++j) absl::StrAppend(&text, ",target", j, ",error", j);
    text += '\n';
  }
  void AppendRow(const PredictionRows& rows, int64_t i, std::string& text) const {
    absl::StrAppend(&text, rows.number(i));
    const auto place = static_cast<size_t>(rows.number(i));
    if (!style_.files.empty()) absl::StrAppend(&text, ",", CsvField(style_.files.at(place)));
    if (rows.classes()) absl::StrAppend(&text, ",", rows.chosen(i));
    if (rows.labels()) absl::StrAppend(&text, ",", rows.label(i));
    for (int64_t j = 0; j < rows.width(); ++j) absl::StrAppendFormat(&text, ",%.9g", rows.output(i, j));
    if (rows.classes()) AppendClasses(rows, i, text);
    for (int64_t j = 0; rows.targets() && j < rows.width(); ++j) {
      absl::StrAppendFormat(&text, ",%.9g,%.9g", rows.target(i, j), rows.answer(i, j) - rows.target(i, j));
    }
    text += '\n';
  }
  void AppendClasses(const PredictionRows& rows, int64_t i, std::string& text) const {
    const std::vector<RankedClass> top = rows.Top(i, More(rows));
    if (rows.named()) {
      absl::StrAppend(&text, ",", CsvField(rows.ClassName(top[0].index)));
      if (rows.labels()) absl::StrAppend(&text, ",", CsvField(rows.ClassName(rows.label(i))));
    }
    if (rows.probabilities() && (rows.named() || style_.top > 1)) absl::StrAppendFormat(&text, ",%.9g", top[0].score);
    for (int k = 1; k < More(rows); ++k) {
      const bool there = k < static_cast<int>(top.size());
      const RankedClass one = there ? top[static_cast<size_t>(k)] : RankedClass{};
      absl::StrAppend(&text, ",", there ? absl::StrCat(one.index) : "");
      if (rows.named()) absl::StrAppend(&text, ",", there ? CsvField(rows.ClassName(one.index)) : "");
      absl::StrAppend(&text, ",", there ? absl::StrFormat("%.9g", one.score) : "");
    }
  }

  const PredictionStyle& style_;
  bool begun_ = false;
};

// The API's messages, one a line.
class MessageEncoder : public Encoder {
 public:
  std::string Encode(const PredictionRows&, const v1::PredictResponse& part) override {
    return Context::ToJson(part).value_or("{}") + "\n";
  }
};

// An object for each example, one a line.
class JsonEncoder : public Encoder {
 public:
  explicit JsonEncoder(const PredictionStyle& style) : style_(style) {}

  std::string Encode(const PredictionRows& rows, const v1::PredictResponse&) override {
    std::string text;
    for (int64_t i = 0; i < rows.examples(); ++i) {
      absl::StrAppend(&text, Of(rows, i).dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
    }
    return text;
  }

 private:
  Json Of(const PredictionRows& rows, int64_t i) const {
    Json line;
    line["example"] = rows.number(i);
    if (!style_.files.empty()) line["file"] = style_.files.at(static_cast<size_t>(rows.number(i)));
    if (rows.classes()) {
      line["class"] = rows.chosen(i);
      if (rows.named()) line["class_name"] = rows.ClassName(rows.chosen(i));
      const char* const score = rows.probabilities() ? "probability" : "score";
      for (const RankedClass& one : rows.Top(i, style_.top)) {
        if (style_.top == 1) line[score] = one.score;
        if (style_.top == 1) break;
        Json ranked = {{"class", one.index}};
        if (rows.named()) ranked["class_name"] = rows.ClassName(one.index);
        ranked[score] = one.score;
        line["top"].push_back(std::move(ranked));
      }
    }
    if (rows.labels()) {
      line["label"] = rows.label(i);
      if (rows.named()) line["label_name"] = rows.ClassName(rows.label(i));
    }
    for (int64_t j = 0; j < rows.width(); ++j) {
      line["outputs"].push_back(rows.output(i, j));
      if (rows.spread()) line["spread"].push_back(rows.spread(i, j));
      if (!rows.targets()) continue;
      line["targets"].push_back(rows.target(i, j));
      line["errors"].push_back(rows.answer(i, j) - rows.target(i, j));
    }
    return line;
  }

  const PredictionStyle& style_;
};

// To the standard output.
class StreamWriter : public PredictionWriter {
 public:
  StreamWriter(const Context& context, std::unique_ptr<Encoder> encoder)
      : context_(context), encoder_(std::move(encoder)) {}
  absl::Status Write(const PredictionRows& rows, const v1::PredictResponse& part) override {
    context_.out() << encoder_->Encode(rows, part);
    return absl::OkStatus();
  }

 private:
  const Context& context_;
  const std::unique_ptr<Encoder> encoder_;
};

class TableWriter : public PredictionWriter {
 public:
  TableWriter(const Context& context, int64_t examples, const PredictionStyle& style)
      : table_(context, examples, style) {}
  absl::Status Write(const PredictionRows& rows, const v1::PredictResponse&) override {
    table_.Write(rows);
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    table_.Finish();
    return absl::OkStatus();
  }

 private:
  PredictionTable table_;
};

// The API's messages, as the other commands print them.
class MessageWriter : public PredictionWriter {
 public:
  explicit MessageWriter(const Context& context) : context_(context) {}
  absl::Status Write(const PredictionRows&, const v1::PredictResponse& part) override {
    context_.PrintJson(part);
    return absl::OkStatus();
  }

 private:
  const Context& context_;
};

// A file that is "<path>.part" until it is whole.
class FileWriter : public PredictionWriter {
 public:
  FileWriter(std::string path, std::unique_ptr<Encoder> encoder)
      : path_(std::move(path)),
        encoder_(std::move(encoder)),
        file_(absl::StrCat(path_, ".part"), std::ios::binary | std::ios::trunc) {}
  ~FileWriter() override {
    if (!whole_) std::remove(absl::StrCat(path_, ".part").c_str());
  }

  absl::Status Begin() {
    if (absl::Status status = CheckReplaceable(path_); !status.ok()) return status;
    file_ << encoder_->Header();
    return Check();
  }
  absl::Status Write(const PredictionRows& rows, const v1::PredictResponse& part) override {
    file_ << encoder_->Encode(rows, part);
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

 private:
  absl::Status Check() {
    return file_ ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
  }

  const std::string path_;
  const std::unique_ptr<Encoder> encoder_;
  std::ofstream file_;
  bool whole_ = false;
};

std::unique_ptr<Encoder> EncoderFor(const PredictionStyle& style, const v1::PredictSplitResponse& made) {
  if (style.format == "csv") return std::make_unique<CsvEncoder>(style);
  if (style.format == "json") return std::make_unique<JsonEncoder>(style);
  if (absl::EndsWith(style.path, ".csv")) return std::make_unique<CsvEncoder>(style);
  if (absl::EndsWith(style.path, ".jsonl")) return std::make_unique<MessageEncoder>();
  return std::make_unique<NpyEncoder>(made.examples(), made.outputs());
}

}  // namespace

absl::Status CheckPredictionOutput(const PredictionStyle& style) {
  const std::string& path = style.path;
  if (path.empty()) return absl::OkStatus();
  if (style.format == "table") {
    return absl::InvalidArgumentError("--output-format table: is for the standard output, not together with --output");
  }
  if (!style.format.empty() || absl::EndsWith(path, ".npy") || absl::EndsWith(path, ".csv") ||
      absl::EndsWith(path, ".jsonl")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--output ", path, ": must end in .npy, .csv or .jsonl, or be given an --output-format"));
}

absl::StatusOr<std::unique_ptr<PredictionWriter>> MakePredictionWriter(const Context& context,
                                                                       const v1::PredictSplitResponse& made,
                                                                       const PredictionStyle& style) {
  if (absl::Status status = CheckPredictionOutput(style); !status.ok()) return status;
  const bool streamed = style.format == "csv" || style.format == "json";
  if (style.path.empty() && streamed) return std::make_unique<StreamWriter>(context, EncoderFor(style, made));
  if (style.path.empty() && context.json) return std::make_unique<MessageWriter>(context);
  if (style.path.empty()) return std::make_unique<TableWriter>(context, made.examples(), style);
  auto file = std::make_unique<FileWriter>(style.path, EncoderFor(style, made));
  if (absl::Status status = file->Begin(); !status.ok()) return status;
  return file;
}

absl::Status WritePredictions(const v1::PredictResponse& part, const v1::PredictSplitResponse& made,
                              PredictionWriter& writer) {
  const PredictionRows rows(part, made);
  if (rows.width() != made.outputs() || part.outputs_size() != rows.examples() * made.outputs()) {
    return absl::InternalError("the server's answer has outputs of another shape than it says");
  }
  return writer.Write(rows, part);
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
                    const PredictionStyle& style) {
  absl::StatusOr<std::unique_ptr<PredictionWriter>> writer = MakePredictionWriter(context, made, style);
  if (!writer.ok()) return context.Fail(writer.status());
  const std::unique_ptr<PredictionReader> reader = client.ReadPredictions(made.operation());
  int64_t examples = 0;
  while (true) {
    const absl::StatusOr<std::optional<v1::PredictResponse>> part = reader->Next();
    if (!part.ok()) return context.Fail(part.status());
    if (!part->has_value()) break;
    examples += PredictionRows(**part, made).examples();
    if (absl::Status status = WritePredictions(**part, made, **writer); !status.ok()) return context.Fail(status);
  }
  if (examples != made.examples()) {
    return context.Fail(
        absl::DataLossError(absl::StrCat("the server sent ", examples, " of ", made.examples(), " examples")));
  }
  return FinishPredictions(context, made, **writer, style.path);
}

}  // namespace traind::client
