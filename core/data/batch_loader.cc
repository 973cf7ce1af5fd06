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
  Buffer labels;  // Or targets.
  Batch batch;
};

}  // namespace

struct BatchLoader::State {
  State(const Split& s, const Preprocessor& p, const Options& o)
      : split(s),
        preprocessor(p),
        options(o),
        sampler({.examples = s.size(), .batch = o.batch, .shuffled = o.shuffled, .seed = o.seed}) {}

  // The batch of `step` into `slot`, in the loader's thread.
  void Fill(uint64_t step, Slot* slot);
  void Run();

  const Split& split;
  const Preprocessor& preprocessor;
  const Options options;
  const Sampler sampler;
  uint64_t end = 0;
  std::array<Slot, kBuffers> slots;

  // Of the loader's thread.
  std::vector<uint32_t> order;
  uint64_t order_epoch = 0;

  // Steps are numbered from first_step; slot of a step: step % kBuffers.
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t produced = 0;  // Guarded by mutex: steps before this one are in their slots.
  uint64_t released = 0;  // Guarded by mutex: slots of steps before this one may be written again.
  bool stopping = false;  // Guarded by mutex.

  uint64_t next = 0;  // Of the caller: the step that Next() gives.
  std::thread thread;
};

void BatchLoader::State::Fill(uint64_t step, Slot* slot) {
  const uint64_t per_epoch = options.keep_partial ? end : static_cast<uint64_t>(sampler.steps_per_epoch());
  const uint64_t epoch = step / per_epoch;
  const int64_t first = static_cast<int64_t>(step % per_epoch) * options.batch;
  if (order.empty() || epoch != order_epoch) {
    sampler.Order(epoch, &order);
    order_epoch = epoch;
  }
  const int64_t count = std::min(options.batch, split.size() - first);
  const int64_t elements = preprocessor.output_elements();
  float* examples = slot->examples.data<float>();
  for (int64_t i = 0; i < count; ++i) preprocessor.Apply(split, order[first + i], examples + i * elements);
  std::fill(examples + count * elements, examples + options.batch * elements, 0.0f);

  slot->batch = {.examples = examples, .count = count, .step = step, .epoch = epoch};
  if (split.has_labels()) {
    int32_t* labels = slot->labels.data<int32_t>();
    for (int64_t i = 0; i < count; ++i) labels[i] = split.labels()[order[first + i]];
    std::fill(labels + count, labels + options.batch, 0);
    slot->batch.labels = labels;
  } else {
    const int64_t width = split.target_width();
    float* targets = slot->labels.data<float>();
    for (int64_t i = 0; i < count; ++i) {
      const float* target = split.targets().data() + order[first + i] * width;
      std::copy(target, target + width, targets + i * width);
    }
    std::fill(targets + count * width, targets + options.batch * width, 0.0f);
    slot->batch.targets = targets;
  }
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
  if (split.example_elements() != preprocessor.example_elements()) {
    return absl::FailedPreconditionError(absl::StrCat("the preprocessing is for examples of ",
                                                      preprocessor.example_elements(), " numbers, the split has ",
                                                      split.example_elements()));
  }
  if (options.batch < 1 || options.batch > kMaxExamples) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ", options.batch, " examples"));
  }
  if (!options.keep_partial && options.batch > split.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch of ", options.batch, " examples, but the split has only ", split.size()));
  }
  const int64_t per_example = std::max<int64_t>(split.target_width(), 1);
  try {
    auto state = std::make_unique<State>(split, preprocessor, options);
    state->end = options.keep_partial ? static_cast<uint64_t>((split.size() + options.batch - 1) / options.batch)
                                      : options.end_step;
    state->next = state->produced = state->released = options.first_step;
    state->order.reserve(static_cast<size_t>(split.size()));
    for (Slot& slot : state->slots) {
      slot.examples = Buffer(static_cast<size_t>(options.batch * preprocessor.output_elements()) * sizeof(float));
      slot.labels = Buffer(static_cast<size_t>(options.batch * per_example) * sizeof(float));
      if (slot.examples.data() == nullptr || slot.labels.data() == nullptr) throw std::bad_alloc();
    }
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
