#include "core/data/batch_loader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/base/finite.h"
#include "core/base/machine.h"
#include "core/data/sampler.h"
#include "core/data/viewed_examples.h"
#include "core/tensor/buffer.h"

namespace traind::core {
namespace {

struct Slot {
  Buffer examples;
  Buffer labels;
  Buffer targets;
  Batch batch;
};

// What one of the loader's threads needs for itself.
struct Maker {
  std::vector<uint32_t> order;
  uint64_t order_epoch = 0;
  Augmenter::Workspace workspace;
  std::optional<ViewedExamples> viewed;
  Buffer spare_examples;  // Where blending writes; slots change theirs for it.
  Buffer spare_targets;
  BatchAugmentation::Pairing pairing;
  std::thread thread;
};

Buffer Floats(int64_t n) {
  Buffer buffer(static_cast<size_t>(n) * sizeof(float));
  if (buffer.data() == nullptr && buffer.bytes() > 0) throw std::bad_alloc();
  return buffer;
}

// The class with the largest share; the first of equal ones. A row of one number is the share of the second class.
int32_t Dominant(const float* row, int64_t outputs) {
  if (outputs == 1) return row[0] > 0.5f ? 1 : 0;
  return static_cast<int32_t>(std::max_element(row, row + outputs) - row);
}

}  // namespace

struct BatchLoader::State {
  State(const Split& s, const Preprocessor& p, const Options& o)
      : split(s),
        stored(AsStored(s)),
        preprocessor(p),
        options(o),
        sampler(
            {.examples = s.size(), .batch = o.batch, .shuffled = o.shuffled, .keep_last = o.keep_last, .seed = o.seed}),
        augments(o.augmenter != nullptr && o.augmenter->changes_images()),
        blends(o.augmenter != nullptr && o.augmenter->blends()),
        labelled(s.has_labels() && !o.targets_are_input),
        target_width(o.targets_are_input ? 0
                     : s.has_labels()    ? o.outputs
                                         : s.target_width()),
        views(o.views != nullptr ? *o.views : plain),
        // One batch is read by the step, one is ready, and each thread makes one.
        slots(static_cast<size_t>(o.threads) + 2),
        makers(static_cast<size_t>(o.threads)),
        made(slots.size()),
        released(o.first_step),
        next(o.first_step) {}

  absl::Status Reserve();
  absl::Status Reserve(Maker& maker) const;

  // The batch of `step` into `slot`.
  void Fill(uint64_t step, Maker& maker, Slot* slot) const;
  void FillExample(int64_t index, const Augmenter::Key& key, int64_t view, Maker& maker, float* out) const;
  // The indices of the examples of a batch, which begins at the epoch's place `first`.
  const uint32_t* Order(uint64_t epoch, int64_t first, Maker& maker) const;
  void FillTargets(const uint32_t* order, int64_t count, Slot* slot) const;
  void Blend(Maker& maker, Slot* slot) const;
  // In a thread of its own: every step that is `maker`'s, from `first` on.
  void Run(uint64_t first, Maker& maker) ABSL_LOCKS_EXCLUDED(mutex);
  // Waits until the slot of `step` may be written; false when the loader stops.
  bool AwaitRoom(uint64_t step) ABSL_LOCKS_EXCLUDED(mutex);
  void Publish(uint64_t step) ABSL_LOCKS_EXCLUDED(mutex);
  // The batch of `step`, once it is made; the one before it is given back.
  const Batch& Await(uint64_t step) ABSL_LOCKS_EXCLUDED(mutex);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex);

  const Split& split;
  const RawExamples stored;
  const Preprocessor& preprocessor;
  const Options options;
  const Sampler sampler;
  const bool augments;
  const bool blends;
  const bool labelled;         // Batches have labels ...
  const int64_t target_width;  // ... or targets of so many numbers; soft labels where labelled examples are blended.
  const Views plain;           // Where the options have none.
  const Views& views;
  uint64_t end = 0;
  std::vector<Slot> slots;    // That of a step: step % slots.size().
  std::vector<Maker> makers;  // The steps are dealt out to them in turn.

  absl::Mutex mutex;
  absl::CondVar changed;
  std::vector<uint64_t> made ABSL_GUARDED_BY(mutex);  // By slot: one past the step whose batch is in it; 0 for none.
  uint64_t released ABSL_GUARDED_BY(mutex);           // Slots of steps before this one may be written again.
  bool stopping ABSL_GUARDED_BY(mutex) = false;

  uint64_t next;  // Of the caller: the step that Next() gives.
};

absl::Status BatchLoader::State::Reserve() {
  const int64_t targets = labelled && !blends ? 0 : options.batch * target_width;
  for (Slot& slot : slots) {
    slot.examples = Floats(options.batch * preprocessor.output_elements());
    slot.labels = Floats(options.batch);
    slot.targets = Floats(targets);
  }
  for (Maker& maker : makers) {
    if (blends) maker.spare_targets = Floats(targets);
    if (absl::Status status = Reserve(maker); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status BatchLoader::State::Reserve(Maker& maker) const {
  if (blends) {
    maker.spare_examples = Floats(options.batch * preprocessor.output_elements());
    maker.pairing.partner.reserve(static_cast<size_t>(options.batch));
    maker.pairing.weight.reserve(static_cast<size_t>(options.batch));
  }
  maker.viewed.emplace(stored, views);
  maker.order.reserve(static_cast<size_t>(options.shuffled ? split.size() : options.batch));
  if (!augments) return absl::OkStatus();
  auto augmenting = Augmenter::Workspace::For(*options.augmenter, split.element_type());
  if (!augmenting.ok()) return augmenting.status();
  maker.workspace = *std::move(augmenting);
  return absl::OkStatus();
}

void BatchLoader::State::FillExample(int64_t index, const Augmenter::Key& key, int64_t view, Maker& maker,
                                     float* out) const {
  const void* example = augments ? options.augmenter->Apply(ImageAt(stored, index), key, maker.workspace).data
                                 : maker.viewed->At(index, view);
  preprocessor.Apply(stored.type, example, out);
}

void BatchLoader::State::FillTargets(const uint32_t* order, int64_t count, Slot* slot) const {
  float* targets = slot->targets.data<float>();
  if (options.targets_are_input) {
    slot->batch.targets = slot->batch.examples;
    return;
  }
  if (!labelled) {
    const int64_t width = target_width;
    for (int64_t i = 0; i < count; ++i) {
      const float* target = split.target(order[i]);
      std::copy(target, target + width, targets + i * width);
    }
    std::fill(targets + count * width, targets + options.batch * width, 0.0f);
    slot->batch.targets = targets;
    return;
  }
  int32_t* labels = slot->labels.data<int32_t>();
  for (int64_t i = 0; i < count; ++i) labels[i] = split.labels()[order[i]];
  std::fill(labels + count, labels + options.batch, 0);
  slot->batch.labels = labels;
  if (!blends) return;
  std::fill_n(targets, options.batch * options.outputs, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    if (options.binary) {
      targets[i] = static_cast<float>(labels[i]);
    } else {
      targets[i * options.outputs + labels[i]] = 1;
    }
  }
  slot->batch.targets = targets;
}

void BatchLoader::State::Blend(Maker& maker, Slot* slot) const {
  Minibatch minibatch{.count = slot->batch.count,
                      .elements = preprocessor.output_elements(),
                      .outputs = target_width,
                      .examples = slot->examples.data<float>(),
                      .targets = slot->targets.data<float>()};
  Minibatch spare = minibatch;
  spare.examples = maker.spare_examples.data<float>();
  spare.targets = maker.spare_targets.data<float>();
  const Augmenter::Key key{.seed = options.seed, .step = slot->batch.step};
  if (&options.augmenter->Blend(minibatch, spare, key, maker.pairing) == &spare) {
    std::swap(slot->examples, maker.spare_examples);
    std::swap(slot->targets, maker.spare_targets);
  }
  slot->batch.examples = slot->examples.data<float>();
  slot->batch.targets = options.targets_are_input ? slot->batch.examples : slot->targets.data<float>();
  if (!labelled) return;
  for (int64_t i = 0; i < slot->batch.count; ++i) {
    slot->labels.data<int32_t>()[i] = Dominant(slot->batch.targets + i * target_width, target_width);
  }
}

const uint32_t* BatchLoader::State::Order(uint64_t epoch, int64_t first, Maker& maker) const {
  if (!options.shuffled) {  // A split may be huge: the indices of one batch suffice.
    maker.order.resize(static_cast<size_t>(options.batch));
    std::iota(maker.order.begin(), maker.order.end(), static_cast<uint32_t>(first));
    return maker.order.data();
  }
  if (maker.order.empty() || epoch != maker.order_epoch) {
    sampler.Order(epoch, &maker.order);
    maker.order_epoch = epoch;
  }
  return maker.order.data() + first;
}

void BatchLoader::State::Fill(uint64_t step, Maker& maker, Slot* slot) const {
  const auto looks = static_cast<uint64_t>(views.count());
  const uint64_t batch = step / looks;
  const auto view = static_cast<int64_t>(step % looks);
  const uint64_t per_epoch = options.keep_partial ? end / looks : static_cast<uint64_t>(sampler.steps_per_epoch());
  const uint64_t epoch = batch / per_epoch;
  const int64_t first = static_cast<int64_t>(batch % per_epoch) * options.batch;
  const uint32_t* order = Order(epoch, first, maker);
  const int64_t count = std::min(options.batch, split.size() - first);
  const int64_t elements = preprocessor.output_elements();
  float* examples = slot->examples.data<float>();
  for (int64_t i = 0; i < count; ++i) {
    const Augmenter::Key key{.seed = options.seed, .step = step, .example = static_cast<uint32_t>(i)};
    FillExample(order[i], key, view, maker, examples + i * elements);
  }
  std::fill(examples + count * elements, examples + options.batch * elements, 0.0f);
  slot->batch = {.examples = examples, .count = count, .step = step, .epoch = epoch, .view = view};
  FillTargets(order, count, slot);
  if (blends) Blend(maker, slot);
  slot->batch.finite = AllFinite(slot->batch.examples, count * elements);
}

void BatchLoader::State::Run(uint64_t first, Maker& maker) {
  for (uint64_t step = first; step < end && AwaitRoom(step); step += makers.size()) {
    Fill(step, maker, &slots[step % slots.size()]);
    Publish(step);
  }
}

bool BatchLoader::State::AwaitRoom(uint64_t step) {
  absl::MutexLock lock(&mutex);
  while (!stopping && step >= released + slots.size()) changed.Wait(&mutex);
  return !stopping;
}

void BatchLoader::State::Publish(uint64_t step) {
  {
    absl::MutexLock lock(&mutex);
    made[step % slots.size()] = step + 1;
  }
  changed.SignalAll();
}

const Batch& BatchLoader::State::Await(uint64_t step) {
  const size_t slot = step % slots.size();
  absl::MutexLock lock(&mutex);
  released = step;
  changed.SignalAll();
  while (made[slot] != step + 1) changed.Wait(&mutex);
  return slots[slot].batch;
}

void BatchLoader::State::Stop() {
  {
    absl::MutexLock lock(&mutex);
    stopping = true;
  }
  changed.SignalAll();
  for (Maker& maker : makers) {
    if (maker.thread.joinable()) maker.thread.join();
  }
}

BatchLoader::BatchLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Start(const Split& split, const Preprocessor& preprocessor,
                                                                const Options& options) {
  const Shape& shape = options.augmenter != nullptr ? options.augmenter->output_shape()
                       : options.views != nullptr   ? options.views->input()
                                                    : split.example_shape();
  if (Elements(shape) != preprocessor.example_elements()) {
    return absl::FailedPreconditionError(absl::StrCat("the preprocessing is for examples of ",
                                                      preprocessor.example_elements(), " numbers, the split has ",
                                                      Elements(shape)));
  }
  const int64_t answers = options.binary ? 2 : options.outputs;
  if (split.has_labels() && !options.targets_are_input && split.num_classes() > answers) {
    return absl::FailedPreconditionError(absl::StrCat("the labels are of ", split.num_classes(),
                                                      " classes, the network has ", options.outputs, " outputs"));
  }
  if (options.batch < 1 || options.batch > kMaxExamples) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ", options.batch, " examples"));
  }
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(absl::StrCat(options.threads, " prefetch threads"));
  }
  if (!options.keep_partial && options.batch > split.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch of ", options.batch, " examples, but the split has only ", split.size()));
  }
  try {
    auto state = std::make_unique<State>(split, preprocessor, options);
    const int64_t batches = (split.size() + options.batch - 1) / options.batch;
    state->end = options.keep_partial ? static_cast<uint64_t>(batches * state->views.count()) : options.end_step;
    if (absl::Status status = state->Reserve(); !status.ok()) return status;
    std::unique_ptr<BatchLoader> loader(new BatchLoader(std::move(state)));
    State* running = loader->state_.get();
    for (size_t i = 0; i < running->makers.size(); ++i) {
      Maker& maker = running->makers[i];
      maker.thread = std::thread([=, &maker] { running->Run(options.first_step + i, maker); });
    }
    return loader;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for batches of ", options.batch, " examples"));
  } catch (const std::system_error& error) {
    return OfMachine(absl::ResourceExhaustedError(absl::StrCat("cannot start the prefetch threads: ", error.what())));
  }
}

BatchLoader::~BatchLoader() { state_->Stop(); }

const Batch* BatchLoader::Next() {
  State& state = *state_;
  if (state.next >= state.end) return nullptr;
  return &state.Await(state.next++);
}

}  // namespace traind::core
