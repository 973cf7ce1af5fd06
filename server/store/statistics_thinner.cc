#include "server/store/statistics_thinner.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/store/event_codec.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Of one piece of work: reports read whole, or thinned; reports of which only the place is looked at.
constexpr int64_t kReportsOfAPiece = 32;
constexpr int64_t kRowsOfAPiece = 1024;

}  // namespace

absl::Status StatisticsThinner::Prepare(sqlite3* connection) {
  connection_ = connection;
  const std::pair<Statement*, std::string> statements[] = {
      {&newest_, "SELECT MAX(sequence) FROM events WHERE job = ?1"},
      {&newest_checkpoint_, absl::StrCat("SELECT sequence FROM events WHERE job = ?1 AND kind = ",
                                         int64_t{v1::EVENT_KIND_CHECKPOINT}, " ORDER BY step DESC LIMIT 1")},
      {&newest_report_, absl::StrCat("SELECT sequence FROM events WHERE job = ?1 AND kind = ",
                                     int64_t{v1::EVENT_KIND_STATISTICS}, " ORDER BY step DESC LIMIT 1")},
      {&rows_,
       "SELECT rowid, sequence, step FROM events WHERE job = ?1 AND kind = ?2 AND step > ?3 ORDER BY step LIMIT ?4"},
      {&read_, "SELECT payload FROM events WHERE rowid = ?1"},
      {&remove_, "DELETE FROM events WHERE rowid = ?1"},
      {&add_size_, kAddEventBytes},
      {&insert_, "INSERT INTO events (rowid, job, sequence, kind, step, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = Statement::Prepare(connection, sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return absl::OkStatus();
}

void StatisticsThinner::Added(JobKey job) {
  JobState& state = jobs_[job];
  if (++state.added < kPassEvery) return;
  state.added = 0;
  if (std::find(due_.begin(), due_.end(), job) == due_.end()) due_.push_back(job);
}

void StatisticsThinner::Ended(JobKey job) {
  Forget(job);
  jobs_[job].ended = true;
  due_.push_back(job);
}

void StatisticsThinner::Forget(JobKey job) {
  jobs_.erase(job);
  due_.erase(std::remove(due_.begin(), due_.end(), job), due_.end());
  if (pass_.has_value() && pass_->job == job) pass_.reset();
}

void StatisticsThinner::DoSome() {
  if (!has_work()) return;
  absl::Status status = Execute(connection_, "BEGIN IMMEDIATE");
  if (status.ok()) status = Step();
  if (status.ok()) status = Execute(connection_, "COMMIT");
  if (status.ok()) return;
  if (!sqlite3_get_autocommit(connection_)) Execute(connection_, "ROLLBACK").IgnoreError();
  spdlog::warn("old statistics cannot be thinned now: {}", status.ToString());
  // The next pass reads again what this one may have counted.
  if (pass_.has_value()) jobs_.erase(pass_->job);
  pass_.reset();
}

absl::Status StatisticsThinner::Step() {
  if (!pass_.has_value()) {
    const JobKey job = due_.front();
    due_.pop_front();
    auto pass = Begin(job);
    if (!pass.ok()) return pass.status();
    if (pass->end > 0) pass_ = *pass;
    if (pass->end <= 0 && jobs_[job].ended) jobs_.erase(job);
    return absl::OkStatus();
  }
  JobState& state = jobs_[pass_->job];
  if (!state.read_thinned || pass_->kind != 0) return ReadExtremes(*pass_, state);
  return ThinSome(*pass_, state.extremes);
}

absl::StatusOr<StatisticsThinner::Pass> StatisticsThinner::Begin(JobKey job) {
  auto newest = Number(newest_, job);
  if (!newest.ok()) return newest.status();
  auto checkpoint = Number(newest_checkpoint_, job);
  if (!checkpoint.ok()) return checkpoint.status();
  auto report = Number(newest_report_, job);
  if (!report.ok()) return report.status();
  const JobState& state = jobs_[job];
  Pass pass{.job = job, .newest = *newest};
  pass.kind = state.read_thinned ? int64_t{v1::EVENT_KIND_STATISTICS} : kKindThinnedExtreme;
  pass.step = state.read_thinned ? state.read_step : -1;
  pass.end = std::min({*newest - kWholeEvents + 1, *checkpoint, *report});
  if (state.ended) {
    pass.newest = std::numeric_limits<int64_t>::max();
    pass.end = *report;
  }
  return pass;
}

absl::Status StatisticsThinner::ReadExtremes(Pass& pass, JobState& state) {
  auto rows = Rows(pass.job, pass.kind, pass.step, kReportsOfAPiece);
  if (!rows.ok()) return rows.status();
  for (const Row& row : *rows) {
    pass.step = row.step;
    auto event = Read(row.id);
    if (!event.ok()) return event.status();
    if (event->has_value()) state.extremes.Add(row.sequence, (*event)->statistics());
  }
  const bool whole = pass.kind == v1::EVENT_KIND_STATISTICS;
  if (whole) state.read_step = pass.step;
  if (static_cast<int64_t>(rows->size()) == kReportsOfAPiece) return absl::OkStatus();
  state.read_thinned = true;
  pass.kind = whole ? 0 : int64_t{v1::EVENT_KIND_STATISTICS};
  pass.step = whole ? -1 : state.read_step;
  return absl::OkStatus();
}

absl::Status StatisticsThinner::ThinSome(Pass& pass, const Extremes& extremes) {
  auto rows = Rows(pass.job, v1::EVENT_KIND_STATISTICS, pass.step, kRowsOfAPiece);
  if (!rows.ok()) return rows.status();
  int64_t thinned = 0;
  for (const Row& row : *rows) {
    if (row.sequence >= pass.end) {
      EndPass();
      return absl::OkStatus();
    }
    if (thinned == kReportsOfAPiece) return absl::OkStatus();
    pass.step = row.step;
    const int64_t length = BlockLength(pass.newest - row.sequence);
    const int64_t block = row.sequence / length;
    if (length != pass.length || block != pass.block) {
      pass.length = length;
      pass.block = block;
      continue;
    }
    if (absl::Status status = Thin(pass.job, row, extremes); !status.ok()) return status;
    ++thinned;
  }
  if (static_cast<int64_t>(rows->size()) < kRowsOfAPiece) EndPass();
  return absl::OkStatus();
}

void StatisticsThinner::EndPass() {
  if (jobs_[pass_->job].ended) jobs_.erase(pass_->job);
  pass_.reset();
}

absl::StatusOr<std::vector<StatisticsThinner::Row>> StatisticsThinner::Rows(JobKey job, int64_t kind,
                                                                            int64_t after_step, int64_t limit) {
  absl::Cleanup reset = [this] { rows_.Reset(); };
  rows_.Bind(1, job);
  rows_.Bind(2, kind);
  rows_.Bind(3, after_step);
  rows_.Bind(4, limit);
  std::vector<Row> rows;
  while (true) {
    auto row = rows_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({.id = rows_.Integer(0), .sequence = rows_.Integer(1), .step = rows_.Integer(2)});
  }
}

absl::StatusOr<std::optional<v1::Event>> StatisticsThinner::Read(int64_t id, int64_t* bytes) {
  absl::Cleanup reset = [this] { read_.Reset(); };
  read_.Bind(1, id);
  auto row = read_.Step();
  if (!row.ok()) return row.status();
  v1::Event event;
  if (*row && bytes != nullptr) *bytes = static_cast<int64_t>(read_.Bytes(0).size());
  if (!*row || !DecodeEvent(read_.Bytes(0), &event)) return std::nullopt;
  return event;
}

// Not an UPDATE: SQLite joins pages that have become nearly empty when a row is deleted, but not when it shrinks.
absl::Status StatisticsThinner::Thin(JobKey job, const Row& row, const Extremes& extremes) {
  int64_t bytes = 0;
  auto event = Read(row.id, &bytes);
  if (!event.ok()) return event.status();
  if (!event->has_value()) return absl::OkStatus();  // Damaged: whoever reads it is told.
  v1::StatisticsReport& report = *(*event)->mutable_statistics();
  report = extremes.Thinned(row.sequence, report);
  const std::string payload = EncodeEvent(**event);
  remove_.Bind(1, row.id);
  if (absl::Status status = remove_.Run(); !status.ok()) return status;
  insert_.Bind(1, row.id);
  insert_.Bind(2, job);
  insert_.Bind(3, row.sequence);
  insert_.Bind(4, report.layers_size() + report.parameters_size() > 0 ? kKindThinnedExtreme : kKindThinned);
  insert_.Bind(5, row.step);
  insert_.BindBytes(6, payload);
  if (absl::Status status = insert_.Run(); !status.ok()) return status;
  add_size_.Bind(1, job);
  add_size_.Bind(2, static_cast<int64_t>(payload.size()) - bytes);
  return add_size_.Run();
}

absl::StatusOr<int64_t> StatisticsThinner::Number(Statement& statement, JobKey job) {
  absl::Cleanup reset = [&] { statement.Reset(); };
  statement.Bind(1, job);
  auto row = statement.Step();
  if (!row.ok()) return row.status();
  return *row ? statement.Integer(0) : 0;
}

}  // namespace traind::server
