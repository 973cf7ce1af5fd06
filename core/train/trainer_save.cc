// When a checkpoint is written: beside the training, in a share of its time.
//
// By steps: at these steps, whatever it costs. By time, and because one is the best so far: when the share of the time
// that they may cost allows it. What they cost is the time in which the training stood still, for the copy and for the
// writer to have done with the one before, and the processor time of the writer's thread, by which it may have been
// slower. The best one, and the one that early stopping may restore, are held until then; no other is written before
// them, so that a resume, which goes on from the newest one, either finds them or comes by them again.
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

constexpr double kTimeShare = 0.05;  // Of a job that was accepted before it was in the spec.
// Between two attempts at a disk that is full, where no step asks for one.
constexpr std::chrono::seconds kRetry(10);

}  // namespace

bool Trainer::IsNeeded(const Held& held) const {
  const v1::EarlyStoppingState& state = manifest_.early_stopping();
  return (held.best && manifest_.best_step() == held.step) ||
         (spec_.early_stopping().restore_best() && !std::isnan(state.best()) && state.best_step() == held.step);
}

bool Trainer::IsEveryUp() const {
  const v1::CheckpointSpec& config = spec_.checkpoint();
  const double every = static_cast<double>(config.every().seconds()) + config.every().nanos() * 1e-9;
  return every > 0 && std::chrono::duration<double>(Clock::now() - last_write_).count() >= every;
}

bool Trainer::MayTakeTime() const {
  const Clock::duration since = Clock::now() - last_write_;
  if (room_is_short_ && since < kRetry) return false;
  const double share = spec_.checkpoint().has_time_share() ? spec_.checkpoint().time_share() : kTimeShare;
  return std::chrono::duration<double>(since) * share >= last_cost_;
}

absl::Status Trainer::Hold(bool told) {
  const std::optional<uint64_t> restored = restore_ ? std::optional(restore_->manifest.step()) : std::nullopt;
  if (held_ && held_->step == step_ && held_->restored == restored) return absl::OkStatus();
  const Clock::time_point begin = Clock::now();
  absl::Status status = AwaitWriting();
  if (status.ok() && held_ && IsNeeded(*held_)) {
    Write();
    status = AwaitWriting();
  }
  if (!status.ok()) return status;
  if (held_ && IsNeeded(*held_)) return absl::OkStatus();
  held_.reset();
  if (status = writer_->Hold(Content()); !status.ok()) return status;
  held_ = Held{.step = step_,
               .restored = restored,
               .best = !restored && evaluated_step_ == step_ && manifest_.best_step() == step_,
               .told = told};
  stood_still_ += Clock::now() - begin;
  return absl::OkStatus();
}

void Trainer::Write() {
  if (held_->writing) return;
  held_->writing = true;
  last_write_ = Clock::now();
  writer_->Write();
}

absl::Status Trainer::Settle(bool tolerant) {
  if (!held_ || !held_->writing || !writer_->AwaitEnd(absl::ZeroDuration())) return absl::OkStatus();
  const CheckpointWriter::Written written = writer_->Take();
  held_->writing = false;
  last_cost_ = std::exchange(stood_still_, {}) + absl::ToChronoNanoseconds(written.cpu);
  const Held held = *held_;
  if (written.status.ok()) {
    held_.reset();
    saved_step_ = held.step;
    restored_step_ = held.restored;
    room_is_short_ = false;
    if (held.told) EmitCheckpoint(held.step, written.size_bytes, held.best);
    return absl::OkStatus();
  }
  if (!absl::IsResourceExhausted(written.status) || !tolerant) {
    held_.reset();
    return absl::IsOutOfRange(written.status) ? CheckpointNotFinite(held.step, written.status) : written.status;
  }
  no_room_ = std::string(written.status.message());
  if (!std::exchange(room_is_short_, true)) {
    EmitLog(v1::LogLine::LEVEL_WARNING,
            absl::StrCat("no checkpoint of step ", held.step, ": ", written.status.message(),
                         "; the job goes on, and tries again when the next one is due"));
  }
  if (!IsNeeded(held)) held_.reset();
  return absl::OkStatus();
}

absl::Status Trainer::AwaitWriting(bool tolerant) {
  while (held_ && held_->writing) {
    if (!writer_->AwaitEnd(absl::Milliseconds(100))) {
      sink_.Heartbeat(step_);
    } else if (absl::Status status = Settle(tolerant); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Trainer::SaveWhatIsDue(const Due& due) {
  const bool best = due.evaluation && manifest_.best_step() == step_;
  const bool may_be_restored =
      due.early_stopping && spec_.early_stopping().restore_best() && manifest_.early_stopping().best_step() == step_;
  const bool by_time = !held_ && IsEveryUp() && MayTakeTime();
  if (best || may_be_restored || due.checkpoint || by_time) {
    if (absl::Status status = Hold(); !status.ok()) return status;
  }
  const bool of_this_step = held_ && held_->step == step_;
  if ((of_this_step && (due.checkpoint || by_time)) || (held_ && MayTakeTime())) Write();
  return absl::OkStatus();
}

absl::Status Trainer::SaveNow(bool told, bool tolerant) {
  if (absl::Status status = Hold(told); !status.ok()) return status;
  if (held_ && held_->step == step_) Write();
  return AwaitWriting(tolerant);
}

absl::Status Trainer::SaveUntil(const std::function<bool()>& done, const std::function<absl::Status()>& save,
                                const StopSignal& stop) {
  bool waited = false;
  while (!done()) {
    if (absl::Status status = save(); !status.ok()) return status;
    if (done() || stop.load(std::memory_order_relaxed) == StopWish::kStop) break;
    const bool goes_on = step_ == unfreeze_step_ && !AtEnd();
    const std::string what =
        absl::StrCat("room on the disk for the ",
                     goes_on ? "checkpoint before other tensors are trained: " : "last checkpoint: ", no_room_);
    if (!std::exchange(waited, true)) {
      EmitLog(v1::LogLine::LEVEL_WARNING,
              absl::StrCat("the training ", goes_on ? "" : "is over and ", "waits for ", what));
    }
    sink_.WaitsFor(what);
    absl::SleepFor(absl::Seconds(1));
    sink_.Heartbeat(step_);
  }
  if (waited) sink_.WaitsFor("");
  return absl::OkStatus();
}

}  // namespace traind::core
