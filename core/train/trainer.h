// One run of a job, from its newest checkpoint (or from initialization) to its end. See train.h for the contract; this
// class holds what the loop needs between steps. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/batch_loader.h"
#include "core/data/input_pipeline.h"
#include "core/insight/non_finite.h"
#include "core/job/fork.h"
#include "core/optimizers/resolve.h"
#include "core/optimizers/update.h"
#include "core/train/checkpoint_writer.h"
#include "core/train/evaluator.h"
#include "core/train/gradient_sum.h"
#include "core/train/lottery_ticket.h"
#include "core/train/max_norm.h"
#include "core/train/model.h"
#include "core/train/train.h"

namespace traind::core {

class Trainer {
 public:
  Trainer(const TrainRequest& request, EventSink& sink) : request_(request), spec_(request.spec), sink_(sink) {}

  absl::StatusOr<TrainResult> Run(const StopSignal& stop);
  // Whether the run has ended with a checkpoint after which other tensors are trained: a new Trainer goes on with it,
  // as after a resume.
  bool unfreezes() const { return unfreezes_; }

 private:
  using Clock = std::chrono::steady_clock;

  // What happens after a step besides the step itself.
  struct Due {
    bool metrics = false;
    bool statistics = false;
    bool evaluation = false;
    bool early_stopping = false;  // It looks at the numbers.
    bool checkpoint = false;      // By steps; time is asked separately.
  };

  // The weights of an earlier checkpoint.
  struct EarlierWeights {
    v1::CheckpointManifest manifest;
    std::shared_ptr<const Safetensors> weights;
  };

  // What the writer holds or writes.
  struct Held {
    uint64_t step = 0;
    std::optional<uint64_t> restored = {};  // Whose weights it has; nullopt: of its own step.
    bool best = false;                      // At its step the best evaluation so far.
    bool told = true;                       // An event says so when it is there.
    bool writing = false;
  };

  absl::StatusOr<TrainResult> TrainToTheEnd(const StopSignal& stop);
  // Up to the first step. It lets the checkpoint's files go: where one is deleted its room is to be free.
  absl::Status Begin();
  absl::Status Prepare();
  absl::Status Restore(const absl::StatusOr<LoadedCheckpoint>& newest);  // From it, or the start.
  absl::Status VerifyData();  // DATA_LOSS when it is not what was imported, FAILED_PRECONDITION when it is other data.
  absl::Status VerifyOther(const Split& split);  // Beside the training split, the same.
  absl::Status CheckIdentity(const Split& split) const;
  absl::Status Start();
  absl::Status FitInput();
  absl::Status LoadInitialWeights();
  absl::Status InitializeWithData();
  void ReportPreprocessing();
  void ReportData();  // For insight.
  absl::Status Resume(const LoadedCheckpoint& checkpoint);
  absl::Status LoadInput(const LoadedCheckpoint& checkpoint, bool with_augmentation);
  absl::Status LoadTensors(const LoadedCheckpoint& checkpoint, const Inherited& inherited);
  void WarnOfOtherKernels();
  bool IsOfAnotherJob(const v1::CheckpointManifest& manifest) const;
  absl::Status BeginFork(const Inherited& inherited);
  void ForgetEvaluations();
  void ForgetEarlyStopping();
  BatchLoader::Options Batches(uint64_t first_step, uint64_t end_step) const;
  void PruneAndRewind();
  bool IsEvaluationDue(uint64_t step) const;  // By the cadence alone.
  Due DueAfter(uint64_t step) const;
  // A wish that comes between two minibatches leaves the step undone: step_ stays, with the numbers after it.
  absl::Status Step(const Batch& first, const StopSignal& stop);
  absl::Status RunPlan(const Plan::Input& input);
  // ABORTED: `what` of the step after step_ is not a finite number; says the first tensor or layer with such values.
  absl::Status NotFinite(absl::string_view what, const Plan::Input& input);
  absl::Status InputNotFinite() const;
  absl::Status CheckpointNotFinite(uint64_t step, const absl::Status& found) const;
  NonFiniteSource FirstNotFinite(const Plan::Input& input);
  void KeepObservers();
  absl::Status AfterStep();

  // --- What is frozen (trainer_freeze.cc).
  // From step_ on, before anything is planned.
  void Freeze();
  // The tensors are there: averages and slow weights of frozen ones are these themselves. Says what is frozen where
  // that is new, as it is when the run `begins` by itself or as a fork.
  void BeginFrozen(bool begins);
  uint64_t LateOf(const StoredParameter& parameter) const;
  absl::StatusOr<TrainResult> EndBeforeUnfreezing(const StopSignal& stop);

  // --- Beside the optimizer (trainer_beside.cc).
  // What the forward and backward passes of a step gave.
  struct Ran {
    const Batch* batch = nullptr;  // Of the last minibatch.
    Plan::Input input = {};        // The same.
    double loss_sum = 0;           // Of all minibatches ...
    int64_t examples = 0;          // ... and their examples.
    int64_t correct = 0;           // Of all examples, where there are labels.
    bool stopped = false;          // Before the last one, by a wish.
  };
  uint64_t MinibatchesBefore(uint64_t step) const;
  // Of the step after step_, of which `first` is the first; the others are taken from the loader. The gradients are
  // then those of all of them.
  absl::StatusOr<Ran> RunMinibatches(const Batch& first, bool observe, const StopSignal& stop);
  // What minibatches move besides gradients: the running statistics before a step, for one that is not done.
  void KeepStatistics();
  void RestoreStatistics();
  std::vector<ParameterTensor> TensorsToUpdate();
  int average_slot() const;
  bool HasAverage() const;  // Of the weights after step_.
  void SwapAverage();       // With the weights.
  // One pass over a split with the weights, or with their average where there is one.
  absl::StatusOr<v1::EvaluationMetrics> EvaluateWeights(const Split& split);
  void ForgetPlateau();
  double LearningRateAt(uint64_t round_step) const;
  void NotePlateau();  // Of this step's evaluation, if the cadence has one here.
  int64_t CorrectOf(const Batch& batch) const;

  // --- Evaluation and test (trainer_evaluation.cc).
  absl::Status PrepareEvaluation(const PlanOptions& options, Limit limit);
  void ReportHeldOut();  // How much of the training split, and which classes lack examples for it.
  // Of the step's minibatch, with the parameters before its update, where an evaluation follows that tells them.
  absl::Status CompareModes(const Batch& batch);
  absl::Status Evaluate();
  bool IsByLoss() const;  // The best evaluation is that with the lowest loss.
  std::optional<double> BestSoFar() const;
  absl::Status TestAtStep();  // With the weights as they are.
  absl::Status WithoutTest(const absl::Status& status);
  absl::Status TestInTheEnd();  // With those of the last checkpoint, which is there; those in memory may be lost.
  void EmitTest(v1::EvaluationMetrics metrics);

  // The sums of the newest steps' loss and right answers, this one included; and of the next one, without them.
  void CountRunning(const Ran& ran);
  void EndRunning();

  // Whether there is nothing more to train.
  bool AtEnd() const;
  // What early stopping looks at, of this step; nullopt when there is no such number.
  std::optional<double> Metric() const;
  void CountTrainLoss(double loss);
  void LookForTheEnd();
  absl::Status EvaluateToFinish();
  absl::StatusOr<EarlierWeights> LoadEarlier(uint64_t step) const;
  // With restore_best the last checkpoint gets the weights of the best evaluation.
  void ChooseLastWeights();
  absl::Status SaveNeeded(const StopSignal& stop);  // What is held and needed.
  absl::StatusOr<TrainResult> End(const StopSignal& stop);

  // --- What a checkpoint is.
  CheckpointWriter::Source SourceOf(const StoredParameter& parameter, std::string name, const float* from) const;
  std::vector<CheckpointWriter::Source> WeightSources() const;
  std::vector<CheckpointWriter::Source> StateSources();
  void DescribeCheckpoint();  // In the manifest.
  CheckpointWriter::Content Content();

  // --- When it is written (trainer_save.cc).
  // Whether nothing but this checkpoint has the weights of the best evaluation, or of early stopping's.
  bool IsNeeded(const Held& held) const;
  bool IsEveryUp() const;
  bool MayTakeTime() const;  // By time_share.
  // Copies what is to be written of this step, once what is held and needed is durable; if that finds no room, it
  // stays.
  absl::Status Hold(bool told = true);
  void Write();  // Begins to write what is held.
  // Takes up what the writer has done. A full disk is no reason to lose a job: with `tolerant` it is reported once, and
  // training goes on.
  absl::Status Settle(bool tolerant = true);
  absl::Status AwaitWriting(bool tolerant = true);
  absl::Status SaveWhatIsDue(const Due& due);
  // Writes this step and waits until it is durable, or there is no room.
  absl::Status SaveNow(bool told = true, bool tolerant = true);
  // Calls `save` until `done` or nobody waits for it any more; says what it waits for.
  absl::Status SaveUntil(const std::function<bool()>& done, const std::function<absl::Status()>& save,
                         const StopSignal& stop);
  void InitializeSlots(StoredParameter& parameter);
  std::string SlotName(const StoredParameter& parameter, int slot) const;
  int num_slots() const;

  v1::Event NewEvent() const { return NewEvent(step_); }
  v1::Event NewEvent(uint64_t step) const;
  void EmitMetrics(const Ran& ran, const UpdatePass::Measures& measures, double learning_rate);
  void EmitStatistics();
  void EmitCheckpoint(uint64_t step, int64_t size_bytes, bool best);
  void EmitLog(v1::LogLine::Level level, const std::string& text);

  const TrainRequest& request_;
  const v1::JobSpec& spec_;
  EventSink& sink_;

  std::optional<InputPipeline> input_;
  Model model_;
  ResolvedOptimizer optimizer_;
  std::unique_ptr<Plan> plan_;
  std::unique_ptr<Plan> last_batch_plan_;  // Of an epoch's last minibatch, where it is smaller; else null.
  Plan* ran_ = nullptr;                    // The one of the newest step.
  std::unique_ptr<UpdatePass> update_;
  std::unique_ptr<GradientSum> gradient_sum_;  // Null where a step has one minibatch.
  std::unique_ptr<LotteryTicket> lottery_;     // Null without.
  std::unique_ptr<MaxNorm> max_norm_;          // Null without.
  std::unique_ptr<Evaluator> evaluator_;       // Null where nothing is evaluated, and nothing tested.
  bool has_evaluation_ = false;                // The evaluator has the evaluation split; else the test split.
  std::optional<Split> test_;                  // The test split, if there is one.
  std::optional<uint64_t> tested_step_;        // Of the newest test with the weights as they were.
  std::unique_ptr<BatchLoader> loader_;
  std::unique_ptr<CheckpointWriter> writer_;

  uint64_t steps_per_epoch_ = 0;
  uint64_t minibatches_per_epoch_ = 0;
  uint64_t round_steps_ = 0;  // Of a round of the lottery ticket; all of them without one.
  uint64_t total_steps_ = 0;
  uint64_t step_ = 0;                      // Steps done.
  std::optional<uint64_t> unfreeze_step_;  // The next one after which other tensors are trained.
  bool unfreezes_ = false;
  std::optional<uint64_t> saved_step_;          // Of the newest checkpoint.
  std::optional<uint64_t> restored_step_;       // Whose weights the newest checkpoint has; nullopt: of its own step.
  std::optional<EarlierWeights> restore_;       // Those that the next checkpoint gets instead of its own.
  std::optional<uint64_t> evaluated_step_;      // Of the newest evaluation.
  bool modes_differ_ = false;                   // The network computes something else in test mode.
  std::optional<Evaluator::ModeLosses> modes_;  // Of the newest step, where its evaluation is due.
  v1::CheckpointManifest manifest_;             // Of the newest checkpoint, and what the next one will say.
  std::optional<v1::DataIdentity> trained_on_;  // What they say of the data.
  std::vector<ParameterNumbers> numbers_;
  std::vector<std::vector<float>> kept_observers_;  // See KeepObservers.
  std::vector<float> kept_statistics_;              // See KeepStatistics.

  std::optional<Held> held_;          // In the writer.
  bool room_is_short_ = false;        // The newest attempt at a checkpoint found the disk full.
  std::string no_room_;               // What that attempt said.
  Clock::time_point last_write_;      // When it began.
  Clock::duration last_cost_ = {};    // What it took of the training's time.
  Clock::duration stood_still_ = {};  // The training, for the next one.
  Clock::time_point last_metrics_;
  uint64_t last_metrics_step_ = 0;
  int64_t examples_since_metrics_ = 0;
  Clock::duration data_wait_ = {};  // Of the steps since then.
};

}  // namespace traind::core
