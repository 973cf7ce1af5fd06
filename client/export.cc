// Client::ExportModel.

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/connection.h"
#include "client/file.h"

namespace traind::client {
namespace {

// Receives one whole stream into the part file.
absl::StatusOr<ExportedModel> ReceiveExport(Connection& connection, const v1::ExportModelRequest& request, File& part,
                                            const Progress& progress) {
  if (absl::Status status = part.Truncate(); !status.ok()) return status;
  ExportedModel exported;
  int64_t received = 0;
  std::string crc32;
  auto stream = connection.stub().ExportModel(request);
  v1::ExportModelResponse response;
  while (stream->Read(&response)) {
    if (!response.model().empty()) {
      exported.model = response.model();
      exported.size_bytes = response.size_bytes();
      exported.notes.assign(response.notes().begin(), response.notes().end());
    }
    if (absl::Status status = part.WriteAt(received, response.chunk()); !status.ok()) return status;
    received += static_cast<int64_t>(response.chunk().size());
    crc32 = response.crc32();
    if (progress) progress(received, exported.size_bytes);
  }
  if (absl::Status status = stream->Finish(); !status.ok()) return status;
  const absl::StatusOr<std::string> sum = part.Crc32();
  if (!sum.ok()) return sum.status();
  if (received != exported.size_bytes || *sum != crc32) {
    return absl::DataLossError(absl::StrCat("received ", received, " bytes with the checksum ", *sum, " of ",
                                            exported.size_bytes, " with ", crc32));
  }
  return exported;
}

}  // namespace

absl::StatusOr<ExportedModel> Client::ExportModel(const v1::ExportModelRequest& request, const std::string& path,
                                                  const Progress& progress) {
  absl::StatusOr<File> part = OpenPart(path);
  if (!part.ok()) return part.status();
  const std::string part_path = PartPath(path);
  Backoff backoff(connection_->options().stream_retry, connection_->NextSeed());
  while (true) {
    absl::StatusOr<ExportedModel> exported = ReceiveExport(*connection_, request, *part, progress);
    absl::Status status = exported.ok() ? part->Sync() : exported.status();
    if (status.ok()) status = RenameDurably(part_path, path);
    if (status.ok()) return exported;
    if (status = connection_->WaitAfter(status, backoff); status.ok()) continue;
    std::remove(part_path.c_str());
    return status;
  }
}

}  // namespace traind::client
