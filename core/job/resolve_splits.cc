#include "core/job/resolve_splits.h"

#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"

namespace traind::core {
namespace {

constexpr char kTest[] = "test";
constexpr uint32_t kMostFolds = 1000;

std::string FirstOf(std::initializer_list<const char*> names, const v1::Dataset& dataset,
                    const std::string& train_split) {
  for (const char* name : names) {
    if (name != train_split && FindSplit(dataset, name) != nullptr) return name;
  }
  return kNoSplit;
}

// What is wrong with data.folds itself.
void CheckFolds(const v1::DataSpec& data, const FieldErrors& errors) {
  if (!data.has_folds()) return;
  const FieldErrors at = errors.At("folds");
  const uint32_t count = data.folds().count();
  if (data.validation_fraction() != 0) {
    at.Add("does not go with validation_fraction: both say what is held out; leave one of them out");
  }
  if (count < 2 || count > kMostFolds) {
    at.At("count").Add(absl::StrCat("must be 2 to ", kMostFolds, ", not ", count));
  } else if (!data.folds().has_index()) {
    at.At("index").Add(absl::StrCat("is required: which of the ", count, " parts this job evaluates, 0 to ", count - 1,
                                    "; all of them are a sweep over data.folds.index"));
  } else if (data.folds().index() >= count) {
    at.At("index").Add(absl::StrCat("must be 0 to ", count - 1, ", counted from 0, not ", data.folds().index()));
  }
}

// The examples that are left to train on; 0 after a violation.
int64_t CheckHeldOut(const v1::DataSpec& data, const v1::DatasetSplit& train, const FieldErrors& errors) {
  const int64_t all = train.num_examples();
  const FieldErrors at = errors.At(data.has_folds() ? "folds" : "validation_fraction");
  if (data.has_folds() && data.folds().count() > all) {
    at.At("count").Add(
        absl::StrCat("is ", data.folds().count(), ", and split \"", train.name(), "\" has only ", all, " examples"));
    return 0;
  }
  const int64_t held_out = HeldOutCount(data, all);
  if (held_out >= 1 && held_out < all) return all - held_out;
  at.Add(absl::StrCat("is ", held_out, " of the ", all, " examples of split \"", train.name(), "\": there must be ",
                      held_out < 1 ? "one to evaluate" : "one left to train on"));
  return 0;
}

void ResolveEvaluationSplit(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors) {
  const FieldErrors at = errors.At("evaluation_split");
  if (!HoldsOut(data)) {
    if (data.evaluation_split().empty()) {
      data.set_evaluation_split(
          dataset == nullptr ? kTest
                             : FirstOf({"val", "valid", "validation", "dev", kTest}, *dataset, data.train_split()));
    }
    if (dataset != nullptr && Evaluates(data)) RequireSplit(*dataset, data.evaluation_split(), at);
    return;
  }
  if (data.evaluation_split().empty()) data.set_evaluation_split(kHeldOutName);
  if (data.evaluation_split() == kHeldOutName) return;
  at.Add(absl::StrCat("is \"", data.evaluation_split(), "\", and ", data.has_folds() ? "folds" : "validation_fraction",
                      " evaluates the part that is held out, \"", kHeldOutName,
                      "\": leave it out; a split to look at in the end is data.test_split"));
}

void ResolveTestSplit(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors) {
  const std::string& evaluated = data.evaluation_split();
  if (data.test_split().empty()) {
    const bool is_free = data.train_split() != kTest && evaluated != kTest;
    const bool validates = Evaluates(data) && evaluated != data.train_split();
    const bool there = dataset != nullptr && FindSplit(*dataset, kTest) != nullptr;
    data.set_test_split(is_free && validates && there ? kTest : kNoSplit);
  }
  if (!Tests(data)) return;
  const FieldErrors at = errors.At("test_split");
  if (data.test_split() == data.train_split()) {
    at.Add(absl::StrCat("is \"", data.test_split(), "\", which is trained on: a test needs other examples"));
  } else if (data.test_split() == evaluated && !IsHeldOutPart(data, evaluated)) {
    at.Add(absl::StrCat("is \"", evaluated, "\", which is the evaluation split, too: say data.validation_fraction, so ",
                        "that a part of the training split is evaluated instead, or leave test_split out"));
  } else if (dataset != nullptr) {
    RequireSplit(*dataset, data.test_split(), at);
  }
}

// The field that lets the evaluation split choose, where a person asked for a choice; empty: none.
std::string ChoiceOf(const v1::JobSpec& spec, const v1::JobSpec& given) {
  if (!given.checkpoint().best_metric().empty()) return "checkpoint.best_metric";
  if (spec.has_early_stopping() && spec.early_stopping().metric() != v1::EarlyStopping::METRIC_TRAIN_LOSS) {
    return "early_stopping";
  }
  return spec.optimizer().schedule().has_plateau() ? "optimizer.schedule.plateau" : "";
}

}  // namespace

int64_t ResolveSplits(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors) {
  const int before = errors.count();
  if (data.train_split().empty()) data.set_train_split("train");
  if (data.validation_fraction() < 0 || data.validation_fraction() >= 1) {
    errors.At("validation_fraction")
        .Add(absl::StrCat("must be in (0, 1), a share of the training split, not ", data.validation_fraction()));
  }
  CheckFolds(data, errors);
  const bool sound = errors.count() == before;
  ResolveEvaluationSplit(data, dataset, errors);
  ResolveTestSplit(data, dataset, errors);
  if (dataset == nullptr) return 0;
  const v1::DatasetSplit* train = RequireSplit(*dataset, data.train_split(), errors.At("train_split"));
  if (train == nullptr || !sound) return 0;
  if (!HoldsOut(data)) return LimitedTo(data.max_train_examples(), train->num_examples());
  return LimitedTo(data.max_train_examples(), CheckHeldOut(data, *train, errors));
}

std::string SplitToTestOn(const v1::Dataset& dataset, const std::string& train_split) {
  return FirstOf({kTest, "val", "valid", "validation", "dev"}, dataset, train_split);
}

bool Evaluates(const v1::DataSpec& data) { return data.evaluation_split() != kNoSplit; }

bool Tests(const v1::DataSpec& data) { return !data.test_split().empty() && data.test_split() != kNoSplit; }

void WarnOfSplits(const v1::JobSpec& spec, const v1::JobSpec& given, const v1::Dataset& dataset,
                  std::vector<std::string>& warnings) {
  const v1::DataSpec& data = spec.data();
  if (data.train_split() == data.evaluation_split()) {
    warnings.emplace_back("evaluation uses the examples of the training split: overfitting will not show");
  }
  if (given.data().evaluation_split().empty() && !Evaluates(data)) {
    warnings.push_back(
        absl::StrCat("nothing is evaluated: ", dataset.name(), " has no split val, valid, validation, dev ",
                     "or test beside the one that is trained on, so that overfitting will not show and no ",
                     "checkpoint is the best; say validation_fraction: 0.1 to hold a tenth of it out, or ",
                     "evaluation_split: \"none\""));
  }
  if (HoldsOut(data) && FindSplit(dataset, kHeldOutName) != nullptr) {
    warnings.push_back(absl::StrCat("\"", kHeldOutName, "\" is the part of \"", data.train_split(),
                                    "\" that is held out: the split of that name which ", dataset.name(),
                                    " has is not read"));
  }
  if (spec.evaluation().test_every_time() && !Tests(data)) {
    warnings.emplace_back("evaluation.test_every_time does nothing: there is no data.test_split");
  }
  if (spec.evaluation().test_every_time() && Tests(data) && !Evaluates(data)) {
    warnings.emplace_back(
        "evaluation.test_every_time does nothing: data.evaluation_split is \"none\", so that there is no evaluation "
        "to go with; the test split is looked at once, in the end");
  }
  const std::string choice = ChoiceOf(spec, given);
  if (data.evaluation_split() == kTest && !choice.empty()) {
    warnings.push_back(absl::StrCat(choice, " chooses by the split \"test\", which then no longer tells how good the ",
                                    "result is on new examples: say data.validation_fraction: 0.1, by which it ",
                                    "chooses then; \"test\" is looked at once, in the end"));
  }
}

}  // namespace traind::core
