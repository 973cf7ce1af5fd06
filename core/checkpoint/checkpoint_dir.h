// Checkpoints of one job: a folder with step-000000001234/ for each, holding
//   manifest.json              v1::CheckpointManifest: everything besides the tensors, with the checksums of the others
//   manifest.crc32             the manifest's own checksum
//   weights.safetensors        the public tensors, "<layer>.weight", ...
//   state.safetensors          what else a resume needs: optimizer slots, observers
//   preprocessing.safetensors  what preprocessing learned; absent when it learned nothing
// and deleted-best.json, a v1::CheckpointManifest of step and evaluation, when a user deleted the best one
// (docs/checkpoint-format.md). A checkpoint is published by one rename after all its files are durable: a crash at any
// moment leaves the old ones whole, and what is half written is never looked at. One thread of one process saves; all
// others may list and open at the same time, and must expect NOT_FOUND for what has just been pruned. Other errors of
// files are those of core/base/file.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/checkpoint/safetensors.h"
#include "traind/v1/checkpoint.pb.h"

namespace traind::core {

inline constexpr char kWeightsFile[] = "weights.safetensors";
inline constexpr char kStateFile[] = "state.safetensors";
inline constexpr char kPreprocessingFile[] = "preprocessing.safetensors";

struct CheckpointContent {
  // With step; format_version, files and create_time are filled in by SaveCheckpoint.
  v1::CheckpointManifest manifest = {};
  absl::Span<const TensorSource> weights = {};
  absl::Span<const TensorSource> state = {};
  absl::Span<const TensorSource> preprocessing = {};  // Empty: no file.
};

struct SaveOptions {
  int keep_last = 3;                       // At least 1. The best one is kept beside them.
  std::optional<uint64_t> keep_step = {};  // Is kept, too.
  // Called when all files are durable, before the checkpoint can be seen. Its error ends the save without a trace.
  std::function<absl::Status()> before_publish = {};
};

// Writes a checkpoint into `dir` (created if absent), replaces one of the same step, removes those that are not kept.
// An error before it is published leaves the checkpoints as they were. RESOURCE_EXHAUSTED: the disk is full.
// OUT_OF_RANGE: a value is not finite, and the message names the first tensor with one.
absl::Status SaveCheckpoint(const std::string& dir, const CheckpointContent& content, const SaveOptions& options);

// One checkpoint, whose files may be opened.
struct CheckpointFiles {
  v1::CheckpointManifest manifest;
  std::string dir;  // Of this checkpoint.
  std::string weights_path() const { return dir + "/" + kWeightsFile; }
  // Empty when there is none.
  std::string preprocessing_path() const;
  // Size and checksum, as the manifest has them. Of the preprocessing: null when there is none.
  const v1::CheckpointFile& weights_file() const;
  const v1::CheckpointFile* preprocessing_file() const;
};

// Those whose manifest is sound, oldest first; damaged ones are left out. Files are not read. Empty without the folder.
absl::StatusOr<std::vector<CheckpointFiles>> ListCheckpoints(const std::string& dir);
// The step of the best one: with the best finite number of CheckpointSpec.best_metric, the earliest of equals. -1 when
// none was evaluated, and when a better one was deleted by a user.
absl::StatusOr<int64_t> BestStep(const std::string& dir);
// `which` is a step in digits, "latest" or "best". NOT_FOUND when there is none such; the files are not read.
absl::StatusOr<CheckpointFiles> FindCheckpoint(const std::string& dir, absl::string_view which);
// To be called before a user's wish removes the best one: nobody shall take the next best for it.
absl::Status RememberDeletedBest(const std::string& dir, uint64_t step);
// Reads every file and compares sizes and checksums: DATA_LOSS names the first that differs.
absl::Status VerifyCheckpoint(const CheckpointFiles& checkpoint);
// The same of one file.
absl::Status VerifyFile(const std::string& path, const v1::CheckpointFile& expected);

// Makes the checkpoint the first one in the folder of another job (created if absent), durable and sharing the bytes:
// either folder may be pruned afterwards. NOT_FOUND: it was pruned or replaced just now. `dir` is not to be used after
// an error.
absl::Status LinkCheckpoint(const CheckpointFiles& checkpoint, const std::string& dir);

struct LoadedCheckpoint {
  CheckpointFiles files;
  Safetensors weights;
  Safetensors state;
  std::optional<Safetensors> preprocessing;
  std::vector<std::string> skipped;  // Newer checkpoints that are damaged, each with the reason.
};
// For the process that saves: removes what a crash left half done, then opens the newest checkpoint whose bytes are
// sound. NOT_FOUND when the folder holds none; DATA_LOSS when it holds only damaged ones.
absl::StatusOr<LoadedCheckpoint> LoadNewestCheckpoint(const std::string& dir);

}  // namespace traind::core
