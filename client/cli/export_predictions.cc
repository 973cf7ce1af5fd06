#include "client/cli/export_predictions.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "client/cli/contact_sheet.h"
#include "client/cli/operation_view.h"
#include "client/cli/progress_bar.h"
#include "client/cli/text.h"
#include "client/file.h"
#include "client/names.h"
#include "core/tensorboard/predictions.h"

namespace traind::client {
namespace {

// Writes a file that has another name until it is whole: one in which TensorBoard looks for nothing.
absl::Status WriteWhole(const std::string& path, const std::string& bytes) {
  if (absl::Status status = CheckReplaceable(path); !status.ok()) return status;
  const std::string part = std::filesystem::path(path).replace_filename("predictions.part");
  absl::StatusOr<File> file = File::Open(part, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->Lock(); !status.ok()) return status;
  absl::Status status = file->Truncate();
  if (status.ok()) status = file->WriteAt(0, bytes);
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = RenameDurably(part, path);
  if (!status.ok()) unlink(part.c_str());
  return status;
}

// One export: what was predicted, and what is shown of it. Nothing is written before all of it is there, so that Ctrl-C
// may come at any time.
class PredictionExport {
 public:
  PredictionExport(const Context& context, const v1::Job& job, const std::string& split,
                   const v1::Checkpoint& checkpoint)
      : context_(context),
        client_(context.MakeClient()),
        job_(job),
        split_(split),
        checkpoint_(checkpoint),
        line_(std::in_place, context.err(), context.console.err_is_terminal && !context.quiet && !context.json) {}

  absl::Status Write(const v1::PredictSplitResponse& made, const std::string& path) {
    if (made.outputs() < 1) return absl::InternalError("the server's predictions have no outputs");
    tensorboard::PredictionTally tally(made.outputs());
    if (absl::Status status = Read(made, tally); !status.ok()) return status;
    tensorboard::PredictionRecords records(job_, checkpoint_, split_);
    std::string file = records.Begin();
    for (int64_t label = 0; label < tally.curves(); ++label) file += records.Curve(tally, label);
    absl::Status status = AddPictures(tally, records, file);
    if (status.ok()) status = WriteWhole(path, file);
    line_.reset();  // What is told begins a line.
    if (status.ok()) Tell(tally);
    return status;
  }

 private:
  absl::Status Read(const v1::PredictSplitResponse& made, tensorboard::PredictionTally& tally) {
    const std::unique_ptr<PredictionReader> reader = client_.ReadPredictions(made.operation());
    while (true) {
      Progress(tally.examples(), made.examples(), "predictions read");
      const absl::StatusOr<std::optional<v1::PredictResponse>> part = reader->Next();
      if (!part.ok()) return part.status();
      if (!part->has_value()) break;
      if (absl::Status status = tally.Add(**part); !status.ok()) return status;
    }
    if (tally.examples() == made.examples()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the server sent ", tally.examples(), " of ", made.examples(), " examples"));
  }

  void Progress(int64_t done, int64_t total, const char* unit) {
    v1::OperationMetadata metadata;
    metadata.set_method("export");
    metadata.set_target(job_.name());
    metadata.mutable_progress()->set_done(done);
    metadata.mutable_progress()->set_total(total);
    metadata.mutable_progress()->set_unit(unit);
    line_->Draw(RenderOperation(metadata, context_.console.width - 1));
  }

  // Those of the mistakes, behind what `file` has.
  absl::Status AddPictures(const tensorboard::PredictionTally& tally, tensorboard::PredictionRecords& records,
                           std::string& file) {
    const std::vector<tensorboard::Mistake>& mistakes = tally.mistakes();
    if (mistakes.empty()) return absl::OkStatus();
    const absl::StatusOr<v1::Dataset> dataset =
        client_.GetDataset(FullName("datasets", job_.resolved_spec().data().dataset()));
    if (!dataset.ok()) return dataset.status();
    const v1::DataSpec& data = job_.resolved_spec().data();
    if ((data.validation_fraction() > 0 || data.has_folds()) && split_ == data.evaluation_split()) {
      without_ = "the examples are a part of the training split, where they have other numbers";
      return absl::OkStatus();
    }
    const absl::StatusOr<PictureShape> shape = PictureShapeOf(*dataset);
    if (!shape.ok()) {
      without_ = std::string(shape.status().message());
      return absl::OkStatus();
    }
    tensorboard::Picture picture{.height = shape->height, .width = shape->width};
    picture.stretched = dataset->element_type() == v1::ELEMENT_TYPE_FLOAT32;
    while (pictures_ < mistakes.size()) {
      const size_t rows = std::min(mistakes.size() - pictures_, static_cast<size_t>(RowsOfSheet(*shape)));
      const absl::Span<const tensorboard::Mistake> shown(mistakes.data() + pictures_, rows);
      std::vector<int64_t> examples;
      for (const tensorboard::Mistake& one : shown) examples.push_back(one.example);
      absl::StatusOr<std::vector<std::string>> originals = FetchPictures(client_, *dataset, split_, examples);
      if (!originals.ok()) return originals.status();
      for (size_t row = 0; row < rows; ++row) {
        picture.png = std::move((*originals)[row]);
        file += records.Mistaken(tally, shown[row], picture);
      }
      pictures_ += rows;
      Progress(static_cast<int64_t>(pictures_), static_cast<int64_t>(mistakes.size()), "pictures");
    }
    return absl::OkStatus();
  }

  // What was written, and what was left out.
  void Tell(const tensorboard::PredictionTally& tally) const {
    context_.Note(absl::StrCat("  ", tally.wrong(), " of ", tally.examples(), " examples of ", split_, " wrong by ",
                               checkpoint_.name(), ": ", tally.curves(), " PR curves, ", pictures_,
                               " pictures of the surest mistakes"));
    if (!tally.probable()) {
      context_.Note("  no PR curves: the job's loss gives scores, of which there are no thresholds from 0 to 1");
    } else if (tally.curves() < tally.outputs()) {
      context_.Note(
          absl::StrCat("  no PR curves of the classes behind the first ", tally.curves(), " of ", tally.outputs()));
    }
    if (!without_.empty()) context_.Note(absl::StrCat("  no pictures: ", without_));
  }

  const Context& context_;
  Client client_;
  const v1::Job& job_;
  const std::string& split_;
  const v1::Checkpoint& checkpoint_;
  std::optional<StatusLine> line_;
  size_t pictures_ = 0;  // Written,
  std::string without_;  // or why there are none.
};

}  // namespace

absl::Status CheckPredicted(const v1::Job& job, const std::string& split) {
  const v1::DataIdentity& data = job.trained_on();
  if (data.num_classes() == 0 && data.target_width() > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--predictions: ", job.name(),
                     " is no classifier, its data has targets and no classes: PR curves and "
                     "mistakes are of classifiers alone"));
  }
  std::vector<std::string> names;
  for (const v1::DatasetSplit& one : data.splits()) names.push_back(one.name());
  if (split == job.resolved_spec().data().evaluation_split()) return absl::OkStatus();  // Or a part of one.
  if (split.empty() || names.empty() || std::count(names.begin(), names.end(), split) > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--predictions: ", data.dataset(), " has no split \"",
                                                 Printable(split), "\", only ", absl::StrJoin(names, ", "),
                                                 "; without a name after it, the option comes last"));
}

int ExportPredictions(const Context& context, const v1::Job& job, std::string split, const std::string& path) {
  Client client = context.MakeClient();
  const absl::StatusOr<v1::Checkpoint> checkpoint =
      client.GetCheckpoint(absl::StrCat(job.name(), "/checkpoints/latest"));
  if (!checkpoint.ok()) return context.Fail(checkpoint.status());
  if (split.empty()) split = job.resolved_spec().data().evaluation_split();
  v1::PredictSplitRequest request;
  request.mutable_model()->set_model(checkpoint->name());
  request.mutable_range()->set_split(split);
  return FinishOperation(context, client, client.PredictSplit(request), false, [&](const v1::Operation& done) {
    v1::PredictSplitResponse made;
    if (!done.response().UnpackTo(&made)) return context.Fail(absl::InternalError("the server predicted nothing"));
    absl::Status status;
    {
      PredictionExport predictions(context, job, split, *checkpoint);  // Its line ends before an error is told.
      status = predictions.Write(made, path);
    }
    if (!status.ok()) return context.Fail(status);
    client.DeleteOperation(done.name()).IgnoreError();  // All of it was read.
    context.out() << path << "\n";
    return static_cast<int>(kOk);
  });
}

}  // namespace traind::client
