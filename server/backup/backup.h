// Backups of a data folder: made while its server runs or not, checked, and restored. A backup is a folder that looks
// like a data folder, with SHA256SUMS (sums.h) and backup.json (who made it, and of what) beside it.
//
// What is consistent: the store's file is one moment of it, after everything that was acknowledged before the backup
// began; and every job, dataset, model, upload and operation in it has its files. A job that ran is as after a kill of
// the server at that moment: it goes on from a checkpoint, with the same bits.
//
// Files that are written once share their bytes with the data folder where both are on one disk (hard links), else they
// are copied. Functions block on the disk; several at once are possible.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

struct BackupSummary {
  int64_t jobs = 0;
  int64_t files = 0;
  int64_t bytes = 0;
  std::string version;  // Of the traind that last wrote the store: "0.3.0"; empty: it does not say.
  int64_t schema = 0;   // Of the store.
  std::string time;     // When the backup was made, as RFC 3339 has it.
};

// Is told in one line what is being done: now and then, not for every file.
using TellProgress = std::function<void(const std::string& line)>;

// Makes `dir` a backup of `data_dir`. FAILED_PRECONDITION: there is no store, `dir` is not empty, or it is in a
// folder of the server's own. UNAVAILABLE: jobs came and went faster than they could be linked. What an error leaves is
// no backup: it has no SHA256SUMS.
absl::StatusOr<BackupSummary> MakeBackup(const std::string& data_dir, const std::string& dir, const TellProgress& tell);

// Reads every byte. FAILED_PRECONDITION: no whole backup. DATA_LOSS: names the first files that differ, are missing or
// are not in the list, or what is wrong in the store.
absl::StatusOr<BackupSummary> VerifyBackup(const std::string& dir, const TellProgress& tell);

// Copies the backup to `data_dir`, which is made, and checks every byte on the way; the backup stays as it is.
// FAILED_PRECONDITION: `data_dir` is not empty. Errors as VerifyBackup; what they leave behind is to be removed.
absl::StatusOr<BackupSummary> RestoreBackup(const std::string& dir, const std::string& data_dir,
                                            const TellProgress& tell);

}  // namespace traind::server
