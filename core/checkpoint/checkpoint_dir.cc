#include "core/checkpoint/checkpoint_dir.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/checksum.h"
#include "core/base/evaluation_metric.h"
#include "core/base/file.h"
#include "core/base/json_message.h"
#include "core/base/stored_spec.h"
#include "google/protobuf/util/json_util.h"

namespace traind::core {
namespace {

constexpr char kManifestFile[] = "manifest.json";
constexpr char kManifestChecksumFile[] = "manifest.crc32";
constexpr char kDeletedBestFile[] = "deleted-best.json";
constexpr char kStepPrefix[] = "step-";
// Being written; never looked at.
constexpr char kWritingPrefix[] = ".writing-";
// A checkpoint that one of the same step is about to replace: put back when the new one did not arrive.
constexpr char kReplacedPrefix[] = ".replaced-";
// Pruned, being removed.
constexpr char kRemovingPrefix[] = ".removing-";
constexpr uint32_t kFormatVersion = 1;
// As JSON a spec is ten times as large as in a request, and names of classes come beside it. What is written can be
// read.
constexpr int64_t kMaxManifest = int64_t{128} << 20;

std::string StepName(uint64_t step) { return absl::StrFormat("%s%012d", kStepPrefix, step); }

// The step in a folder's name, or -1 for any other name.
int64_t StepOf(const std::string& name) {
  int64_t step;
  if (name.rfind(kStepPrefix, 0) != 0 || !absl::SimpleAtoi(name.substr(sizeof(kStepPrefix) - 1), &step) || step < 0) {
    return -1;
  }
  return name == StepName(static_cast<uint64_t>(step)) ? step : -1;
}

std::string Join(const std::string& dir, absl::string_view name) { return absl::StrCat(dir, "/", name); }

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

// Names in the folder; none when it does not exist.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) return ErrnoStatus(error.value(), "list", dir);
  std::sort(names.begin(), names.end());
  return names;
}

// Steps that have a folder, oldest first.
absl::StatusOr<std::vector<int64_t>> ListSteps(const std::string& dir) {
  auto names = ListFolder(dir);
  if (!names.ok()) return names.status();
  std::vector<int64_t> steps;
  for (const std::string& name : *names) {
    if (const int64_t step = StepOf(name); step >= 0) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::StatusOr<CheckpointFiles> ReadManifest(const std::string& dir, int64_t step) {
  CheckpointFiles files;
  files.dir = Join(dir, StepName(static_cast<uint64_t>(step)));
  const std::string path = Join(files.dir, kManifestFile);
  auto json = ReadFile(path, kMaxManifest);
  if (!json.ok()) return json.status();
  auto checksum = ReadFile(Join(files.dir, kManifestChecksumFile), 64);
  if (!checksum.ok()) return checksum.status();
  if (absl::StrCat(Crc32Hex(*json), "\n") != *checksum) return Damaged(path, "does not have the recorded checksum");
  if (absl::Status parsed = ParseJson(*json, files.manifest); !parsed.ok()) return Damaged(path, parsed.message());
  if (files.manifest.format_version() != kFormatVersion) {
    return Damaged(path, absl::StrCat("format version ", files.manifest.format_version(), " is not known"));
  }
  CompleteStoredSpec(*files.manifest.mutable_spec());
  if (files.manifest.step() != static_cast<uint64_t>(step)) return Damaged(path, "is of another step than its folder");
  std::set<std::string> names;
  for (const v1::CheckpointFile& file : files.manifest.files()) names.insert(file.name());
  const size_t optional = names.count(kPreprocessingFile);
  if (names.count(kWeightsFile) == 0 || names.count(kStateFile) == 0 || names.size() != 2 + optional ||
      names.size() != static_cast<size_t>(files.manifest.files_size())) {
    return Damaged(path, "does not list the files of a checkpoint");
  }
  return files;
}

// Null when the manifest has none of that name.
const v1::CheckpointFile* FileOf(const v1::CheckpointManifest& manifest, absl::string_view name) {
  const auto file = std::find_if(manifest.files().begin(), manifest.files().end(),
                                 [&](const v1::CheckpointFile& one) { return one.name() == name; });
  return file == manifest.files().end() ? nullptr : &*file;
}

absl::Status WriteTensors(const std::string& folder, const char* name, absl::Span<const TensorSource> tensors,
                          v1::CheckpointManifest* manifest) {
  auto written = WriteSafetensors(Join(folder, name), tensors, {{"format", "pt"}}, /*only_finite=*/true);
  if (!written.ok()) return written.status();
  v1::CheckpointFile* file = manifest->add_files();
  file->set_name(name);
  file->set_size_bytes(written->size_bytes);
  file->set_crc32(written->crc32);
  return absl::OkStatus();
}

// All files of the checkpoint, durable, in a folder that nobody looks at.
absl::Status WriteFolder(const std::string& folder, const CheckpointContent& content) {
  if (absl::Status status = RemoveAll(folder); !status.ok()) return status;
  if (absl::Status status = CreateFolders(folder); !status.ok()) return status;
  v1::CheckpointManifest manifest = content.manifest;
  manifest.set_format_version(kFormatVersion);
  manifest.clear_files();
  const int64_t now = absl::ToUnixNanos(absl::Now());
  manifest.mutable_create_time()->set_seconds(now / 1'000'000'000);
  manifest.mutable_create_time()->set_nanos(static_cast<int32_t>(now % 1'000'000'000));
  absl::Status status = WriteTensors(folder, kWeightsFile, content.weights, &manifest);
  if (status.ok()) status = WriteTensors(folder, kStateFile, content.state, &manifest);
  if (status.ok() && !content.preprocessing.empty()) {
    status = WriteTensors(folder, kPreprocessingFile, content.preprocessing, &manifest);
  }
  if (!status.ok()) return status;
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.preserve_proto_field_names = true;
  if (auto printed = google::protobuf::util::MessageToJsonString(manifest, &json, print); !printed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the manifest cannot be written as JSON: ", printed.ToString()));
  }
  if (static_cast<int64_t>(json.size()) > kMaxManifest) {
    return absl::InvalidArgumentError(absl::StrCat("the manifest of a checkpoint would take ", json.size(),
                                                   " bytes, more than the ", kMaxManifest,
                                                   " that are read: shorten names, or the network"));
  }
  status = WriteFile(Join(folder, kManifestFile), json);
  if (status.ok()) status = WriteFile(Join(folder, kManifestChecksumFile), absl::StrCat(Crc32Hex(json), "\n"));
  if (status.ok()) status = SyncFolder(folder);
  return status;
}

// Puts the finished folder in its place. An old checkpoint of the same step steps aside first; a crash between the two
// renames is made good by RemoveLeftovers.
absl::Status Publish(const std::string& dir, const std::string& writing, const std::string& name) {
  const std::string final_path = Join(dir, name);
  const std::string replaced = Join(dir, absl::StrCat(kReplacedPrefix, name));
  std::error_code ignored;
  if (!std::filesystem::exists(final_path, ignored)) return Rename(writing, final_path);
  if (absl::Status status = RemoveAll(replaced); !status.ok()) return status;
  absl::Status status = Rename(final_path, replaced);
  if (status.ok()) status = Rename(writing, final_path);
  if (!status.ok()) {
    Rename(replaced, final_path).IgnoreError();  // Cannot when it was never moved, or the new one is in place.
    return status;
  }
  return RemoveAll(replaced);
}

std::string MetricName(const v1::CheckpointManifest& manifest) {
  const std::string& name = manifest.spec().checkpoint().best_metric();
  return name.empty() ? "loss" : name;
}

// Whether the first is better by its job's metric. One of another metric, which a fork begins with, is no better.
bool IsBetterThan(const v1::CheckpointManifest& a, const v1::CheckpointManifest* b) {
  const bool comparable = b != nullptr && MetricName(a) == MetricName(*b);
  return IsBetter(MetricName(a), MetricOf(a), comparable ? MetricOf(*b) : std::nullopt);
}

// The one with the best finite number, by the newest one's metric, the earliest of equals; null when there is none.
const CheckpointFiles* BestOf(absl::Span<const CheckpointFiles> checkpoints) {
  const CheckpointFiles* best = nullptr;
  for (const CheckpointFiles& files : checkpoints) {
    if (MetricName(files.manifest) != MetricName(checkpoints.back().manifest)) continue;
    if (IsBetterThan(files.manifest, best == nullptr ? nullptr : &best->manifest)) best = &files;
  }
  return best;
}

// What a user deleted that was better than the best there is (null: there is none).
std::optional<v1::CheckpointManifest> BetterDeleted(const std::string& dir, const CheckpointFiles* best) {
  auto json = ReadFile(Join(dir, kDeletedBestFile), kMaxManifest);
  v1::CheckpointManifest deleted;
  if (!json.ok() || !ParseJson(*json, deleted).ok()) return std::nullopt;
  const bool comparable = best != nullptr && MetricName(deleted) == MetricName(best->manifest);
  if (best != nullptr && !(comparable && IsBetterThan(deleted, &best->manifest))) return std::nullopt;
  return deleted;
}

// Removes all but the newest `keep_last`, the best one and the one that is to be kept. Damaged checkpoints count as old
// ones do.
absl::Status Prune(const std::string& dir, const SaveOptions& options) {
  auto steps = ListSteps(dir);
  if (!steps.ok()) return steps.status();
  auto sound = ListCheckpoints(dir);
  if (!sound.ok()) return sound.status();
  const CheckpointFiles* best = BestOf(*sound);
  const size_t keep = static_cast<size_t>(std::max(options.keep_last, 1));
  for (size_t i = 0; i + keep < steps->size(); ++i) {
    const auto step = static_cast<uint64_t>((*steps)[i]);
    if ((best != nullptr && step == best->manifest.step()) || step == options.keep_step) continue;
    const std::string name = StepName(step);
    const std::string removing = Join(dir, absl::StrCat(kRemovingPrefix, name));
    // The rename takes it away in one step, so that a half-removed one is never seen.
    const absl::Status taken = Rename(Join(dir, name), removing);
    if (absl::IsNotFound(taken)) continue;  // Deleted just now.
    if (!taken.ok()) return taken;
    if (absl::Status status = RemoveAll(removing); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RemoveLeftovers(const std::string& dir) {
  auto names = ListFolder(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = Join(dir, name);
    absl::Status status;
    if (name.rfind(kReplacedPrefix, 0) == 0) {
      const std::string original = Join(dir, name.substr(sizeof(kReplacedPrefix) - 1));
      std::error_code ignored;
      status = std::filesystem::exists(original, ignored) ? RemoveAll(path) : Rename(path, original);
    } else if (name.rfind(kWritingPrefix, 0) == 0 || name.rfind(kRemovingPrefix, 0) == 0) {
      status = RemoveAll(path);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedCheckpoint> Load(const std::string& dir, int64_t step) {
  auto files = ReadManifest(dir, step);
  if (!files.ok()) return files.status();
  if (absl::Status status = VerifyCheckpoint(*files); !status.ok()) return status;
  LoadedCheckpoint loaded;
  auto weights = Safetensors::Open(files->weights_path());
  if (!weights.ok()) return weights.status();
  loaded.weights = *std::move(weights);
  auto state = Safetensors::Open(Join(files->dir, kStateFile));
  if (!state.ok()) return state.status();
  loaded.state = *std::move(state);
  if (const std::string path = files->preprocessing_path(); !path.empty()) {
    auto preprocessing = Safetensors::Open(path);
    if (!preprocessing.ok()) return preprocessing.status();
    loaded.preprocessing = *std::move(preprocessing);
  }
  loaded.files = *std::move(files);
  return loaded;
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& dir, const CheckpointContent& content, const SaveOptions& options) {
  if (absl::Status status = CreateFolders(dir); !status.ok()) return status;
  const std::string name = StepName(content.manifest.step());
  const std::string writing = Join(dir, absl::StrCat(kWritingPrefix, name));
  absl::Status status = WriteFolder(writing, content);
  if (status.ok() && options.before_publish) status = options.before_publish();
  if (status.ok()) status = Publish(dir, writing, name);
  if (!status.ok()) {
    RemoveAll(writing).IgnoreError();
    return status;
  }
  return Prune(dir, options);
}

std::string CheckpointFiles::preprocessing_path() const {
  return preprocessing_file() != nullptr ? Join(dir, kPreprocessingFile) : "";
}

const v1::CheckpointFile& CheckpointFiles::weights_file() const { return *FileOf(manifest, kWeightsFile); }

const v1::CheckpointFile* CheckpointFiles::preprocessing_file() const { return FileOf(manifest, kPreprocessingFile); }

absl::StatusOr<std::vector<CheckpointFiles>> ListCheckpoints(const std::string& dir) {
  auto steps = ListSteps(dir);
  if (!steps.ok()) return steps.status();
  std::vector<CheckpointFiles> checkpoints;
  for (int64_t step : *steps) {
    if (auto files = ReadManifest(dir, step); files.ok()) checkpoints.push_back(*std::move(files));
  }
  return checkpoints;
}

absl::StatusOr<int64_t> BestStep(const std::string& dir) {
  auto checkpoints = ListCheckpoints(dir);
  if (!checkpoints.ok()) return checkpoints.status();
  const CheckpointFiles* best = BestOf(*checkpoints);
  if (best == nullptr || BetterDeleted(dir, best).has_value()) return -1;
  return static_cast<int64_t>(best->manifest.step());
}

absl::Status RememberDeletedBest(const std::string& dir, uint64_t step) {
  auto files = FindCheckpoint(dir, absl::StrCat(step));
  if (!files.ok()) return files.status();
  v1::CheckpointManifest deleted;
  deleted.set_step(step);
  deleted.set_evaluation_loss(files->manifest.evaluation_loss());
  if (files->manifest.has_evaluation_value()) deleted.set_evaluation_value(files->manifest.evaluation_value());
  deleted.mutable_spec()->mutable_checkpoint()->set_best_metric(MetricName(files->manifest));
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(deleted, &json).ok())
    return absl::InternalError("a number is no JSON");
  return AtomicWrite(Join(dir, kDeletedBestFile), json);
}

absl::StatusOr<CheckpointFiles> FindCheckpoint(const std::string& dir, absl::string_view which) {
  auto checkpoints = ListCheckpoints(dir);
  if (!checkpoints.ok()) return checkpoints.status();
  if (checkpoints->empty()) return absl::NotFoundError("there is no checkpoint yet");
  if (which == "latest") return checkpoints->back();
  int64_t wanted = -1;
  if (which == "best") {
    const CheckpointFiles* best = BestOf(*checkpoints);
    if (const auto deleted = BetterDeleted(dir, best); deleted.has_value()) {
      return absl::NotFoundError(absl::StrCat(
          "the best one, of step ", deleted->step(), ", was deleted",
          best == nullptr ? ""
                          : absl::StrCat("; of those that are left step ", best->manifest.step(), " is the best")));
    }
    if (best == nullptr) return absl::NotFoundError("no checkpoint was evaluated yet");
    return *best;
  } else if (!absl::SimpleAtoi(which, &wanted)) {
    return absl::InvalidArgumentError(absl::StrCat("'", which, "' is not a step, \"latest\" or \"best\""));
  }
  for (const CheckpointFiles& files : *checkpoints) {
    if (static_cast<int64_t>(files.manifest.step()) == wanted) return files;
  }
  return absl::NotFoundError(absl::StrCat(
      "no checkpoint of step ", which,
      "; there are: ", absl::StrJoin(*checkpoints, ", ", [](std::string* out, const CheckpointFiles& files) {
        absl::StrAppend(out, files.manifest.step());
      })));
}

absl::Status VerifyFile(const std::string& path, const v1::CheckpointFile& expected) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return Damaged(path, mapped.status().message());
  if (mapped->size() != expected.size_bytes()) {
    return Damaged(path, absl::StrCat(mapped->size(), " bytes instead of ", expected.size_bytes()));
  }
  const std::string found = Crc32Hex(mapped->data());
  if (found == expected.crc32()) return absl::OkStatus();
  return Damaged(path, absl::StrCat("the checksum is ", found, ", but the manifest says ", expected.crc32()));
}

absl::Status VerifyCheckpoint(const CheckpointFiles& checkpoint) {
  for (const v1::CheckpointFile& file : checkpoint.manifest.files()) {
    if (absl::Status status = VerifyFile(Join(checkpoint.dir, file.name()), file); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status LinkCheckpoint(const CheckpointFiles& checkpoint, const std::string& dir) {
  const uint64_t step = checkpoint.manifest.step();
  const std::string folder = Join(dir, StepName(step));
  if (absl::Status status = CreateFolders(folder); !status.ok()) return status;
  std::vector<std::string> names = {kManifestFile, kManifestChecksumFile};
  for (const v1::CheckpointFile& file : checkpoint.manifest.files()) names.push_back(file.name());
  for (const std::string& name : names) {
    const absl::Status linked = LinkOrCopy(Join(checkpoint.dir, name), Join(folder, name));
    if (!linked.ok()) return linked;
  }
  // One of the same step may have taken its place between two links.
  if (auto linked = ReadManifest(dir, static_cast<int64_t>(step)); !linked.ok()) {
    return absl::NotFoundError(absl::StrCat("the checkpoint was replaced: ", linked.status().message()));
  }
  if (absl::Status status = SyncFolder(folder); !status.ok()) return status;
  return SyncFolder(dir);
}

absl::StatusOr<LoadedCheckpoint> LoadNewestCheckpoint(const std::string& dir) {
  if (absl::Status status = RemoveLeftovers(dir); !status.ok()) return status;
  auto steps = ListSteps(dir);
  if (!steps.ok()) return steps.status();
  std::vector<std::string> skipped;
  for (auto step = steps->rbegin(); step != steps->rend(); ++step) {
    auto loaded = Load(dir, *step);
    if (loaded.ok()) {
      loaded->skipped = std::move(skipped);
      return loaded;
    }
    skipped.push_back(std::string(loaded.status().message()));
  }
  if (skipped.empty()) return absl::NotFoundError(absl::StrCat(dir, " holds no checkpoint"));
  return absl::DataLossError(absl::StrCat("every checkpoint is damaged: ", absl::StrJoin(skipped, "; ")));
}

}  // namespace traind::core
