#include "core/data/batch_loader.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/sampler.h"
#include "core/tensor/buffer.h"

namespace traind::core {
namespace {

// One batch is read by the step, one is ready, one is being made.
constexpr uint64_t kBuffers = 3;

struct Slot {
  Buffer examples;
  Buffer labels;
  Buffer targets;
  Batch batch;
};

// The class with the largest share; the first of equal ones.
int32_t Dominant(const float* row, int64_t outputs) {
  return static_cast<int32_t>(std::max_element(row, row + outputs) - row);
}

}  // namespace

struct BatchLoader::State {
  State(const Split& s, const Preprocessor& p, const Options& o)
      : split(s),
        preprocessor(p),
        options(o),
        sampler({.examples = s.size(), .batch = o.batch, .shuffled = o.shuffled, .seed = o.seed}),
        augments(o.augmenter != nullptr && o.augmenter->changes_images()),
        blends(o.augmenter != nullptr && o.augmenter->blends()),
        views(o.views != nullptr ? o.views->count() : 1) {}

  absl::Status Reserve();

  // The batch of `step` into `slot`, in the loader's thread.
  void Fill(uint64_t step, Slot* slot);
  void FillExample(int64_t index, const Augmenter::Key& key, int64_t view, float* out);
  void FillTargets(int64_t first, int64_t count, Slot* slot);
  void Blend(Slot* slot);
  void Run();

  const Split& split;
  const Preprocessor& preprocessor;
  const Options options;
  const Sampler sampler;
  const bool augments;
  const bool blends;
  const int64_t views;
  uint64_t end = 0;
  std::array<Slot, kBuffers> slots;

  // Of the loader's thread.
  std::vector<uint32_t> order;
  uint64_t order_epoch = 0;
  Augmenter::Workspace workspace;
  Resampler resampler;
  Buffer view_pixels;
  Buffer spare_examples;  // Where blending writes; slots change theirs for it.
  Buffer spare_targets;
  BatchAugmentation::Pairing pairing;

  // Steps are numbered from first_step; slot of a step: step % kBuffers.
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t produced = 0;  // Guarded by mutex: steps before this one are in their slots.
  uint64_t released = 0;  // Guarded by mutex: slots of steps before this one may be written again.
  bool stopping = false;  // Guarded by mutex.

  uint64_t next = 0;  // Of the caller: the step that Next() gives.
  std::thread thread;
};

absl::Status BatchLoader::State::Reserve() {
  const auto floats = [](int64_t n) { return Buffer(static_cast<size_t>(n) * sizeof(float)); };
  const int64_t examples = options.batch * preprocessor.output_elements();
  const int64_t targets = options.batch * (split.has_labels() ? (blends ? options.outputs : 0) : split.target_width());
  const auto made = [](const Buffer& buffer) { return buffer.data() != nullptr || buffer.bytes() == 0; };
  bool all = true;
  for (Slot& slot : slots) {
    slot.examples = floats(examples);
    slot.labels = floats(options.batch);
    slot.targets = floats(targets);
    all = all && made(slot.examples) && made(slot.labels) && made(slot.targets);
  }
  if (blends) {
    spare_examples = floats(examples);
    spare_targets = floats(targets);
    all = all && made(spare_examples) && made(spare_targets);
    pairing.partner.reserve(static_cast<size_t>(options.batch));
    pairing.weight.reserve(static_cast<size_t>(options.batch));
  }
  if (options.views != nullptr && !options.views->plain()) {
    options.views->Reserve(resampler);
    view_pixels = floats(Elements(options.views->input()));
    all = all && made(view_pixels);
  }
  order.reserve(static_cast<size_t>(split.size()));
  if (!all) throw std::bad_alloc();
  if (!augments) return absl::OkStatus();
  auto augmenting = Augmenter::Workspace::For(*options.augmenter, split.element_type());
  if (!augmenting.ok()) return augmenting.status();
  workspace = *std::move(augmenting);
  return absl::OkStatus();
}

void BatchLoader::State::FillExample(int64_t index, const Augmenter::Key& key, int64_t view, float* out) {
  if (augments) {
    preprocessor.Apply(options.augmenter->Apply(ImageOf(split, index), key, workspace), out);
  } else if (options.views != nullptr && !options.views->plain()) {
    const Shape& shape = options.views->input();
    const Image looked{split.element_type(), shape[0], shape[1], shape[2], view_pixels.data()};
    options.views->Apply(view, ImageOf(split, index), resampler, looked);
    preprocessor.Apply(looked, out);
  } else {
    preprocessor.Apply(split, index, out);
  }
}

void BatchLoader::State::FillTargets(int64_t first, int64_t count, Slot* slot) {
  float* targets = slot->targets.data<float>();
  if (!split.has_labels()) {
    const int64_t width = split.target_width();
    for (int64_t i = 0; i < count; ++i) {
      const float* target = split.targets().data() + order[first + i] * width;
      std::copy(target, target + width, targets + i * width);
    }
    std::fill(targets + count * width, targets + options.batch * width, 0.0f);
    slot->batch.targets = targets;
    return;
  }
  int32_t* labels = slot->labels.data<int32_t>();
  for (int64_t i = 0; i < count; ++i) labels[i] = split.labels()[order[first + i]];
  std::fill(labels + count, labels + options.batch, 0);
  slot->batch.labels = labels;
  if (!blends) return;
  std::fill_n(targets, options.batch * options.outputs, 0.0f);
  for (int64_t i = 0; i < count; ++i) targets[i * options.outputs + labels[i]] = 1;
  slot->batch.targets = targets;
}

void BatchLoader::State::Blend(Slot* slot) {
  const int64_t outputs = split.has_labels() ? options.outputs : split.target_width();
  Minibatch minibatch{.count = slot->batch.count,
                      .elements = preprocessor.output_elements(),
                      .outputs = outputs,
                      .examples = slot->examples.data<float>(),
                      .targets = slot->targets.data<float>()};
  Minibatch spare = minibatch;
  spare.examples = spare_examples.data<float>();
  spare.targets = spare_targets.data<float>();
  const Augmenter::Key key{.seed = options.seed, .step = slot->batch.step};
  if (&options.augmenter->Blend(minibatch, spare, key, pairing) == &spare) {
    std::swap(slot->examples, spare_examples);
    std::swap(slot->targets, spare_targets);
  }
  slot->batch.examples = slot->examples.data<float>();
  slot->batch.targets = slot->targets.data<float>();
  if (!split.has_labels()) return;
  for (int64_t i = 0; i < slot->batch.count; ++i) {
    slot->labels.data<int32_t>()[i] = Dominant(slot->batch.targets + i * outputs, outputs);
  }
}

void BatchLoader::State::Fill(uint64_t step, Slot* slot) {
  const uint64_t batch = step / static_cast<uint64_t>(views);
  const auto view = static_cast<int64_t>(step % static_cast<uint64_t>(views));
  const uint64_t per_epoch =
      options.keep_partial ? end / static_cast<uint64_t>(views) : static_cast<uint64_t>(sampler.steps_per_epoch());
  const uint64_t epoch = batch / per_epoch;
  const int64_t first = static_cast<int64_t>(batch % per_epoch) * options.batch;
  if (order.empty() || epoch != order_epoch) {
    sampler.Order(epoch, &order);
    order_epoch = epoch;
  }
  const int64_t count = std::min(options.batch, split.size() - first);
  const int64_t elements = preprocessor.output_elements();
  float* examples = slot->examples.data<float>();
  for (int64_t i = 0; i < count; ++i) {
    const Augmenter::Key key{.seed = options.seed, .step = step, .example = static_cast<uint32_t>(i)};
    FillExample(order[first + i], key, view, examples + i * elements);
  }
  std::fill(examples + count * elements, examples + options.batch * elements, 0.0f);
  slot->batch = {.examples = examples, .count = count, .step = step, .epoch = epoch, .view = view};
  FillTargets(first, count, slot);
  if (blends) Blend(slot);
}

void BatchLoader::State::Run() {
  for (uint64_t step = options.first_step; step < end; ++step) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stopping || step < released + kBuffers; });
      if (stopping) return;
    }
    Fill(step, &slots[step % kBuffers]);
    {
      std::lock_guard lock(mutex);
      produced = step + 1;
    }
    changed.notify_one();
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
  if (options.batch < 1 || options.batch > kMaxExamples) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ", options.batch, " examples"));
  }
  if (!options.keep_partial && options.batch > split.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch of ", options.batch, " examples, but the split has only ", split.size()));
  }
  try {
    auto state = std::make_unique<State>(split, preprocessor, options);
    const int64_t batches = (split.size() + options.batch - 1) / options.batch;
    state->end = options.keep_partial ? static_cast<uint64_t>(batches * state->views) : options.end_step;
    state->next = state->produced = state->released = options.first_step;
    if (absl::Status status = state->Reserve(); !status.ok()) return status;
    State* running = state.get();
    state->thread = std::thread([running] { running->Run(); });
    return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(state)));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for batches of ", options.batch, " examples"));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot start the prefetch thread: ", error.what()));
  }
}

BatchLoader::~BatchLoader() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_one();
  state_->thread.join();
}

const Batch* BatchLoader::Next() {
  State& state = *state_;
  if (state.next >= state.end) return nullptr;
  const uint64_t step = state.next++;
  {
    std::unique_lock lock(state.mutex);
    state.released = step;  // The batch that the caller had until now.
    state.changed.notify_one();
    state.changed.wait(lock, [&] { return state.produced > step; });
  }
  return &state.slots[step % kBuffers].batch;
}

}  // namespace traind::core
