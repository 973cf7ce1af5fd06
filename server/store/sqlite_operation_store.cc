// The operations' part of the store.
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/resources/names.h"
#include "server/store/checked_bytes.h"
#include "server/store/sqlite_job_store.h"

namespace traind::server {
namespace {

// A row of key, record, id.
absl::StatusOr<StoredOperation> OperationOf(const Statement& row) {
  const std::string name = absl::StrCat("operations/", row.Bytes(2));
  StoredOperation stored;
  stored.key = row.Integer(0);
  const auto record = Checked(row.Bytes(1));
  if (!record.has_value() || !stored.record.ParseFromArray(record->data(), static_cast<int>(record->size())) ||
      stored.record.name() != name) {
    return absl::DataLossError(absl::StrCat("the record of ", name, " is damaged; it can be deleted"));
  }
  return stored;
}

}  // namespace

absl::Status SqliteJobStore::PrepareOperationStatements() {
  const PreparedStatement statements[] = {
      {writer_.get(), &insert_operation_, "INSERT INTO operations (id, record) VALUES (?1, ?2)"},
      {writer_.get(), &operation_name_, "SELECT 'operations/' || id FROM operations WHERE key = ?1"},
      {writer_.get(), &update_operation_, "UPDATE operations SET record = ?2 WHERE key = ?1"},
      {reader_.get(), &get_operation_, "SELECT key, record, id FROM operations WHERE id = ?1"},
      {reader_.get(), &key_of_operation_, "SELECT key FROM operations WHERE id = ?1"},
      {reader_.get(), &list_operations_, "SELECT key, record, id FROM operations WHERE key < ?1 ORDER BY key DESC"},
  };
  return PrepareAll(statements);
}

absl::StatusOr<OperationKey> SqliteJobStore::CreateOperation(const internal::OperationRecord& record,
                                                             const StoredRequest* request) {
  OperationKey key = 0;
  absl::Status status = Commit(Need::kMore, [&]() -> absl::Status {
    const std::string bytes = WithChecksum(record.SerializeAsString());
    insert_operation_.Bind(1, IdOf(record.name()));
    insert_operation_.BindBytes(2, bytes);
    if (absl::Status inserted = insert_operation_.Run(); !inserted.ok()) return inserted;
    key = sqlite3_last_insert_rowid(writer_.get());
    return request == nullptr ? absl::OkStatus() : InsertRequest(*request);
  });
  if (!status.ok()) return status;
  return key;
}

absl::Status SqliteJobStore::UpdateOperation(OperationKey key, const internal::OperationRecord& record) {
  return Commit(Need::kMust, [&]() -> absl::Status {
    const std::string bytes = WithChecksum(record.SerializeAsString());
    update_operation_.Bind(1, key);
    update_operation_.BindBytes(2, bytes);
    return update_operation_.Run();
  });
}

absl::Status SqliteJobStore::DeleteOperation(OperationKey key, absl::Time now) {
  return Commit(Need::kMust, [&]() -> absl::Status {
    operation_name_.Bind(1, key);
    const absl::StatusOr<bool> there = operation_name_.Step();
    const std::string name = there.value_or(false) ? std::string(operation_name_.Bytes(0)) : "";
    operation_name_.Reset();
    if (!there.ok()) return there.status();
    if (absl::Status status = MarkRequests(name, now); !status.ok()) return status;
    return Execute(writer_.get(), absl::StrCat("DELETE FROM operations WHERE key = ", key));
  });
}

absl::StatusOr<StoredOperation> SqliteJobStore::GetOperation(const std::string& id) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { get_operation_.Reset(); };
  get_operation_.Bind(1, id);
  auto row = get_operation_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return NotFoundError("Operation", absl::StrCat("operations/", id));
  return OperationOf(get_operation_);
}

absl::StatusOr<OperationKey> SqliteJobStore::KeyOfOperation(const std::string& id) {
  absl::MutexLock lock(&read_mu_);
  return KeyIn(key_of_operation_, id, "Operation", "operations");
}

absl::Status SqliteJobStore::ListOperations(OperationKey before, const std::function<bool(StoredOperation)>& add,
                                            const std::function<void(std::string name)>& damaged) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { list_operations_.Reset(); };
  list_operations_.Bind(1, before > 0 ? before : std::numeric_limits<int64_t>::max());
  while (true) {
    auto row = list_operations_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    auto operation = OperationOf(list_operations_);
    if (!operation.ok()) {
      if (damaged != nullptr) damaged(absl::StrCat("operations/", list_operations_.Bytes(2)));
      continue;
    }
    if (!add(*std::move(operation))) return absl::OkStatus();
  }
}

}  // namespace traind::server
