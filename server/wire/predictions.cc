#include "server/wire/predictions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/wire/channel.h"

namespace traind::server {
namespace {

// `values` holds as much of each of `examples` examples, or nothing.
template <class Values>
void LeaveOut(int64_t count, int64_t examples, Values* values) {
  const auto n = static_cast<int>(values->size() / examples * count);
  values->erase(values->begin(), values->begin() + n);
}

void LeaveOut(int64_t count, v1::PredictResponse& part) {
  const int64_t examples = part.shape(0);
  part.set_shape(0, examples - count);
  part.set_first(part.first() + count);
  LeaveOut(count, examples, part.mutable_outputs());
  LeaveOut(count, examples, part.mutable_probabilities());
  LeaveOut(count, examples, part.mutable_classes());
  LeaveOut(count, examples, part.mutable_labels());
  LeaveOut(count, examples, part.mutable_spread());
}

}  // namespace

absl::StatusOr<PredictionsWriter> PredictionsWriter::Create(const std::string& path) {
  // That of an attempt before; a worker may not empty a file, only remove it.
  if (absl::Status status = core::RemoveAll(path + ".part"); !status.ok()) return status;
  auto file = core::OutputFile::Create(path + ".part");
  if (!file.ok()) return file.status();
  return PredictionsWriter(path, *std::move(file));
}

absl::Status PredictionsWriter::Append(const v1::PredictResponse& part) {
  auto frame = EncodeFrame(part);
  if (!frame.ok()) return frame.status();
  size_ += static_cast<int64_t>(frame->size());
  return file_.Append(*frame);
}

absl::StatusOr<int64_t> PredictionsWriter::Finish() {
  if (absl::Status status = file_.Close(); !status.ok()) return status;
  if (absl::Status status = core::Rename(file_.path(), path_); !status.ok()) return status;
  return size_;
}

absl::StatusOr<PredictionsReader> PredictionsReader::Open(const std::string& path, int64_t first) {
  auto file = core::MappedFile::Open(path);
  if (!file.ok()) return file.status();
  PredictionsReader reader;
  reader.file_ = *std::move(file);
  if (absl::Status status = reader.Skip(first); !status.ok()) return status;
  return reader;
}

absl::Status PredictionsReader::Skip(int64_t first) {
  v1::PredictResponse part;
  auto any = NextWhole(part);
  if (!any.ok() || !*any) return any.status();
  at_ = 0;
  for (int64_t i = 0; i < first / part.shape(0) && at_ < file_.data().size(); ++i) {
    if (auto frame = NextFrame(); !frame.ok()) return frame.status();
  }
  leave_out_ = first % part.shape(0);
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> PredictionsReader::NextFrame() {
  const absl::string_view rest = file_.data().substr(at_);
  const auto size = FrameSize(rest);
  if (!size.has_value() || *size > rest.size() - kFrameHeaderBytes) {
    return absl::DataLossError(absl::StrCat(file_.path(), ", byte ", at_, ": ends within a frame"));
  }
  at_ += kFrameHeaderBytes + *size;
  return rest.substr(kFrameHeaderBytes, *size);
}

absl::StatusOr<bool> PredictionsReader::NextWhole(v1::PredictResponse& part) {
  if (at_ == file_.data().size()) return false;
  const size_t begin = at_;
  auto frame = NextFrame();
  if (!frame.ok()) return frame.status();
  if (!part.ParseFromArray(frame->data(), static_cast<int>(frame->size())) || part.shape_size() != 2 ||
      part.shape(0) < 1) {
    return absl::DataLossError(absl::StrCat(file_.path(), ", byte ", begin, ": no predictions"));
  }
  return true;
}

absl::StatusOr<bool> PredictionsReader::Next(v1::PredictResponse& part) {
  auto more = NextWhole(part);
  if (!more.ok() || !*more) return more;
  const int64_t count = std::exchange(leave_out_, 0);
  if (count == 0) return true;
  if (count >= part.shape(0)) return Next(part);  // Of the last, smaller part.
  LeaveOut(count, part);
  return true;
}

}  // namespace traind::server
