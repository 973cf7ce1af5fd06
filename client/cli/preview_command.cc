// trainctl dataset preview: a contact sheet of augmented images, written as a PNG file.
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/text.h"
#include "client/job_file.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct PreviewOptions {
  std::string dataset;
  std::string job;
  std::vector<std::string> augment;
  std::string split;
  std::string output;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t scale = 0;
  uint64_t seed = 0;
  uint64_t max_examples = 0;
};

// The augmentation of the job file, then that of each --augment.
absl::Status ReadAugmentation(const PreviewOptions& options, v1::PreviewDatasetRequest* request) {
  if (!options.job.empty()) {
    const absl::StatusOr<JobFile> file = JobFile::Read(options.job);
    if (!file.ok()) return file.status();
    *request->mutable_augmentation() = file->spec().data().augmentation();
    if (request->seed() == 0) request->set_seed(file->spec().seed());
    if (request->split().empty()) request->set_split(file->spec().data().train_split());
    if (request->max_examples() == 0) request->set_max_examples(file->spec().data().max_train_examples());
  }
  for (const std::string& text : options.augment) {
    const absl::StatusOr<JobFile> parsed =
        JobFile::Parse(absl::StrCat("data { augmentation { ", text, " } }"), "--augment");
    if (!parsed.ok()) return parsed.status();
    request->mutable_augmentation()->MergeFrom(parsed->spec().data().augmentation());
  }
  return absl::OkStatus();
}

int Preview(const Context& context, const PreviewOptions& options) {
  v1::PreviewDatasetRequest request;
  request.set_name(FullName("datasets", options.dataset));
  request.set_split(options.split);
  request.set_rows(options.rows);
  request.set_columns(options.columns);
  request.set_scale(options.scale);
  request.set_seed(options.seed);
  request.set_max_examples(options.max_examples);
  if (absl::Status status = ReadAugmentation(options, &request); !status.ok()) {
    const int code = context.Fail(status);
    return options.augment.empty() ? code : kUsage;
  }
  absl::StatusOr<v1::PreviewDatasetResponse> response = context.MakeClient().PreviewDataset(request);
  if (!response.ok()) return context.Fail(response.status());
  const std::string path = options.output.empty() ? absl::StrCat(ShortName(request.name()), ".png") : options.output;
  std::ofstream file(path, std::ios::binary);
  file << response->png();
  file.close();
  if (!file) return context.Fail(absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path)));
  if (context.json) {
    response->clear_png();
    context.PrintJson(*response);
  } else if (context.quiet) {
    context.out() << path << "\n";
  } else {
    context.out() << path << ": " << response->width() << " x " << response->height()
                  << " pixels; the first column shows the images without augmentation\n";
  }
  return kOk;
}

}  // namespace

void AddPreviewCommand(CLI::App& dataset, Context& context) {
  CLI::App& command = *dataset.add_subcommand("preview", "Save a picture of augmented images, one example a row");
  command.footer(
      "Examples:\n"
      "  trainctl dataset preview fashion --job job.textproto -o sheet.png\n"
      "  trainctl dataset preview fashion --augment 'rotate { max_degrees: 20 }' --augment 'cutout { size: 8 }'\n"
      "The augmentations are those of the job file, then those of --augment (see `trainctl components`).");
  auto options = std::make_shared<PreviewOptions>();
  command.add_option("DATASET", options->dataset, "Name of the dataset")->required();
  command
      .add_option("--job", options->job, "Job file whose data.augmentation, seed, split and max_train_examples to use")
      ->type_name("FILE");
  command.add_option("--augment", options->augment, "One augmentation; can be repeated")
      ->type_name("TEXTPROTO")
      ->allow_extra_args(false);
  command.add_option("--split", options->split, "Default: train");
  command.add_option("-o,--output", options->output, "Where to; default: DATASET.png")->type_name("FILE");
  command.add_option("--rows", options->rows, "Examples, at most 64; default 8");
  command.add_option("--columns", options->columns, "Images of each example, at most 64; default 12");
  command.add_option("--scale", options->scale,
                     "Each pixel becomes so many, 1 to 16; default: so that it is seen well");
  command.add_option("--seed", options->seed, "Of the random numbers; default: the job file's");
  command.add_option("--max-examples", options->max_examples,
                     "Of the first so many of the split only; default: the job file's max_train_examples, or all");
  command.callback(
      [&context, options] { context.action = [&context, options] { return Preview(context, *options); }; });
}

}  // namespace traind::client
