#include "server/webhooks/outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/event_codec.h"

namespace traind::server {
namespace {

// A number of an enum of the API, which never changes.
static_assert(v1::EVENT_KIND_STATE == 1);

std::string CreateTables() {
  return absl::StrCat(R"sql(
    CREATE TABLE IF NOT EXISTS webhooks (
      name TEXT PRIMARY KEY,
      lost INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS webhook_deliveries (
      key INTEGER PRIMARY KEY AUTOINCREMENT,
      webhook TEXT NOT NULL,
      id TEXT NOT NULL,
      job TEXT NOT NULL,
      payload BLOB NOT NULL,
      tried INTEGER NOT NULL DEFAULT 0,
      due INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS webhook_deliveries_by_due ON webhook_deliveries (webhook, due, key);
    DROP TRIGGER IF EXISTS webhook_states;
    CREATE TRIGGER webhook_states AFTER INSERT ON events WHEN NEW.kind = 1 BEGIN
      UPDATE webhooks SET lost = lost + 1 WHERE (SELECT COUNT(*) FROM webhook_deliveries) >= )sql",
                      Outbox::kMost, R"sql(;
      INSERT INTO webhook_deliveries (webhook, id, job, payload)
        SELECT name, 'msg_' || lower(hex(randomblob(16))),
               'jobs/' || IFNULL((SELECT jobs.id FROM jobs WHERE jobs.key = NEW.job), ''), NEW.payload
        FROM webhooks WHERE (SELECT COUNT(*) FROM webhook_deliveries) < )sql",
                      Outbox::kMost, R"sql(;
    END;)sql");
}

constexpr char kDropTables[] = R"sql(
    DROP TRIGGER IF EXISTS webhook_states;
    DROP TABLE IF EXISTS webhook_deliveries;
    DROP TABLE IF EXISTS webhooks;)sql";

absl::Status RunWith(sqlite3* connection, absl::string_view sql, const std::vector<std::string>& texts) {
  auto statement = Statement::Prepare(connection, sql);
  if (!statement.ok()) return statement.status();
  for (size_t i = 0; i < texts.size(); ++i) statement->Bind(static_cast<int>(i + 1), texts[i]);
  return statement->Run();
}

// The number that the query gives with `text` as its parameter.
absl::StatusOr<int64_t> NumberOf(sqlite3* connection, absl::string_view query, const std::string& text) {
  auto statement = Statement::Prepare(connection, query);
  if (!statement.ok()) return statement.status();
  statement->Bind(1, text);
  if (const auto row = statement->Step(); !row.ok()) return row.status();
  return statement->Integer(0);
}

// The webhooks as they are now, and what waits for those that are gone.
absl::Status SetWebhooks(sqlite3* connection, const std::vector<std::string>& webhooks, int64_t* forgotten) {
  if (absl::Status status = Execute(connection, CreateTables()); !status.ok()) return status;
  absl::Status status = Execute(connection, "CREATE TEMP TABLE wanted (name TEXT PRIMARY KEY)");
  for (const std::string& webhook : webhooks) {
    if (status.ok()) status = RunWith(connection, "INSERT INTO wanted VALUES (?1)", {webhook});
  }
  if (!status.ok()) return status;
  const auto gone =
      Number(connection, "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook NOT IN (SELECT name FROM wanted)");
  if (!gone.ok()) return gone.status();
  *forgotten = *gone;
  return Execute(connection,
                 "DELETE FROM webhook_deliveries WHERE webhook NOT IN (SELECT name FROM wanted);"
                 "DELETE FROM webhooks WHERE name NOT IN (SELECT name FROM wanted);"
                 "INSERT OR IGNORE INTO webhooks (name) SELECT name FROM wanted;"
                 "DROP TABLE wanted");
}

absl::Status DropWebhooks(sqlite3* connection, int64_t* forgotten) {
  const auto there = Number(connection, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'webhook_deliveries'");
  if (!there.ok()) return there.status();
  if (*there == 0) return absl::OkStatus();
  const auto waiting = Number(connection, "SELECT COUNT(*) FROM webhook_deliveries");
  if (!waiting.ok()) return waiting.status();
  *forgotten = *waiting;
  return Execute(connection, kDropTables);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(const std::string& path, const std::vector<std::string>& webhooks,
                                                     int64_t* forgotten) {
  *forgotten = 0;
  auto connection = OpenConnection(path, SQLITE_OPEN_READWRITE);
  if (!connection.ok()) return connection.status();
  absl::Status status = Execute(connection->get(), "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = webhooks.empty() ? DropWebhooks(connection->get(), forgotten)
                            : SetWebhooks(connection->get(), webhooks, forgotten);
  if (status.ok()) status = Execute(connection->get(), "COMMIT");
  if (!status.ok()) return status;
  if (webhooks.empty()) return nullptr;
  return std::unique_ptr<Outbox>(new Outbox(*std::move(connection)));
}

absl::StatusOr<std::optional<Outbox::Delivery>> Outbox::First(const std::string& webhook) {
  absl::MutexLock lock(&mu_);
  auto statement = Statement::Prepare(connection_.get(),
                                      "SELECT key, id, job, payload, tried, due FROM webhook_deliveries "
                                      "WHERE webhook = ?1 ORDER BY due, key LIMIT 1");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, webhook);
  const auto row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  Delivery delivery{.row = statement->Integer(0),
                    .id = std::string(statement->Bytes(1)),
                    .job = std::string(statement->Bytes(2)),
                    .event = {},
                    .tried = statement->Integer(4),
                    .due = absl::FromUnixMillis(statement->Integer(5))};
  if (!DecodeEvent(statement->Bytes(3), &delivery.event)) delivery.event.Clear();
  return delivery;
}

absl::Status Outbox::Postpone(const Delivery& delivery, absl::Time due) {
  absl::MutexLock lock(&mu_);
  auto statement =
      Statement::Prepare(connection_.get(), "UPDATE webhook_deliveries SET tried = tried + 1, due = ?2 WHERE key = ?1");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, delivery.row);
  statement->Bind(2, absl::ToUnixMillis(due));
  return statement->Run();
}

absl::Status Outbox::Remove(const Delivery& delivery) {
  absl::MutexLock lock(&mu_);
  auto statement = Statement::Prepare(connection_.get(), "DELETE FROM webhook_deliveries WHERE key = ?1");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, delivery.row);
  return statement->Run();
}

absl::StatusOr<int64_t> Outbox::TakeLost(const std::string& webhook) {
  absl::MutexLock lock(&mu_);
  const auto lost = NumberOf(connection_.get(), "SELECT IFNULL(SUM(lost), 0) FROM webhooks WHERE name = ?1", webhook);
  if (!lost.ok() || *lost == 0) return lost;
  const absl::Status status = RunWith(connection_.get(), "UPDATE webhooks SET lost = 0 WHERE name = ?1", {webhook});
  if (!status.ok()) return status;
  return lost;
}

absl::StatusOr<int64_t> Outbox::Count(const std::string& webhook) {
  absl::MutexLock lock(&mu_);
  return NumberOf(connection_.get(), "SELECT COUNT(*) FROM webhook_deliveries WHERE ?1 IN ('', webhook)", webhook);
}

}  // namespace traind::server
