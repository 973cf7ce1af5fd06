#include "core/job/data_identity.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/listing.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"
#include "core/job/resolve_splits.h"
#include "google/protobuf/util/time_util.h"

namespace traind::core {
namespace {

using Names = google::protobuf::RepeatedPtrField<std::string>;

constexpr size_t kMaxNamesBytes = size_t{1} << 20;
constexpr size_t kListed = 10;      // Names in a message.
constexpr double kOtherScale = 10;  // Times the largest number of training.

// Names that a record can hold.
void CopyNames(const Names& names, Names* copy) {
  size_t bytes = 0;
  for (const std::string& name : names) bytes += name.size() + 2;
  if (bytes <= kMaxNamesBytes) *copy = names;
}

// Of a Dataset or a DataIdentity.
Shape ShapeIn(const auto& data) { return {data.example_shape().begin(), data.example_shape().end()}; }

std::string Listed(const std::vector<std::string>& names) { return Listing(names, kListed); }
std::string Listed(const Names& names) { return Listed(std::vector<std::string>(names.begin(), names.end())); }

void CheckExamples(const v1::DataIdentity& trained_on, const v1::Dataset& dataset, const FieldErrors& errors) {
  if (!IsReadAs(ShapeIn(dataset), ShapeIn(trained_on))) {
    errors.Add(absl::StrCat("has examples of ", ToString(ShapeIn(dataset)), ", the model was trained on ",
                            ToString(ShapeIn(trained_on))));
  }
  if (dataset.element_type() == trained_on.element_type()) return;
  errors.Add(dataset.element_type() == v1::ELEMENT_TYPE_FLOAT32
                 ? "has floats, the model was trained on bytes (0 to 255): store them as uint8, numbers from 0 to 1 "
                   "times 255, and import them again"
                 : "has bytes (0 to 255), the model was trained on floats: store them as float32, at the scale that "
                   "it was trained on, and import them again");
}

void CheckFeatures(const Names& known, const Names& given, const FieldErrors& errors) {
  if (known.empty() || given.empty() || std::equal(known.begin(), known.end(), given.begin(), given.end())) return;
  const bool permuted = std::is_permutation(known.begin(), known.end(), given.begin(), given.end());
  errors.Add(absl::StrCat("has ", permuted ? "the features in another order" : "other features",
                          " than the model was trained on: ", Listed(given), "; import it with the columns ",
                          Listed(known), ", in this order"));
}

std::string DescribeTargets(int64_t num_classes, int64_t target_width) {
  return num_classes > 0 ? absl::StrCat("labels of ", num_classes, " classes")
                         : absl::StrCat("float targets of ", target_width, target_width == 1 ? " number" : " numbers");
}

// Names, or where there are none the numbers.
std::vector<std::string> ClassNames(const Names& names, int64_t num_classes) {
  if (!names.empty()) return {names.begin(), names.end()};
  std::vector<std::string> numbers(static_cast<size_t>(num_classes));
  for (int64_t i = 0; i < num_classes; ++i) numbers[i] = absl::StrCat(i);
  return numbers;
}

bool IsIdentity(const std::vector<int32_t>& map) {
  for (size_t i = 0; i < map.size(); ++i) {
    if (map[i] != static_cast<int32_t>(i)) return false;
  }
  return true;
}

// The place of each of `given` in `known`; `unknown` are those that have none.
std::vector<int32_t> Places(const std::vector<std::string>& known, const std::vector<std::string>& given,
                            std::vector<std::string>* unknown) {
  std::map<absl::string_view, int32_t> place;
  for (size_t i = 0; i < known.size(); ++i) place.emplace(known[i], static_cast<int32_t>(i));
  std::vector<int32_t> places;
  for (const std::string& name : given) {
    const auto found = place.find(name);
    if (found == place.end()) unknown->push_back(name);
    places.push_back(found == place.end() ? -1 : found->second);
  }
  return places;
}

// Where one side has no names the numbers of its labels stand for them: folders "0" to "9" are the digits of a file of
// labels. Names that are no such numbers can only be taken in their order.
DataMatch MatchByNumber(const v1::DataIdentity& trained_on, const v1::Dataset& dataset,
                        const std::vector<std::string>& unknown, const FieldErrors& errors) {
  if (trained_on.num_classes() != dataset.num_classes()) {
    errors.Add(absl::StrCat("has ", dataset.num_classes(), " classes, the model ", trained_on.num_classes(), ", and ",
                            dataset.class_names().empty() ? "the dataset's" : "the model's",
                            " have no names to match them by (", Listed(unknown), ")"));
    return {};
  }
  return {
      .notes = {absl::StrCat("the classes of ", dataset.name(), " are taken for those of the model in their order: ",
                             dataset.class_names().empty() ? "the dataset's" : "the model's", " have no names")}};
}

std::string Subset(const v1::DataIdentity& trained_on, const v1::Dataset& dataset) {
  return absl::StrCat(dataset.name(), " has ", dataset.num_classes(), " of the model's ", trained_on.num_classes(),
                      " classes");
}

// Numbers on both sides.
DataMatch MatchNumbers(const v1::DataIdentity& trained_on, const v1::Dataset& dataset, const FieldErrors& errors) {
  DataMatch match;
  if (dataset.num_classes() > trained_on.num_classes()) {
    errors.Add(absl::StrCat("has ", dataset.num_classes(), " classes, and the model only ", trained_on.num_classes()));
  } else if (dataset.num_classes() < trained_on.num_classes()) {
    match.notes.push_back(Subset(trained_on, dataset));
  }
  return match;
}

DataMatch MatchClasses(const v1::DataIdentity& trained_on, const v1::Dataset& dataset, const FieldErrors& errors) {
  if (trained_on.class_names().empty() && dataset.class_names().empty()) {
    return MatchNumbers(trained_on, dataset, errors);
  }
  std::vector<std::string> unknown;
  DataMatch match{.class_of_label = Places(ClassNames(trained_on.class_names(), trained_on.num_classes()),
                                           ClassNames(dataset.class_names(), dataset.num_classes()), &unknown)};
  const bool one_side = trained_on.class_names().empty() != dataset.class_names().empty();
  if (!unknown.empty() && one_side) return MatchByNumber(trained_on, dataset, unknown, errors);
  if (!unknown.empty()) {
    errors.Add(absl::StrCat("has classes that the model does not know: ", Listed(unknown), "; it knows ",
                            Listed(trained_on.class_names())));
    return {};
  }
  if (IsIdentity(match.class_of_label)) match.class_of_label.clear();
  if (one_side) {
    match.notes.push_back(absl::StrCat("the labels of ", dataset.name(),
                                       " are matched by number: the classes have names on one side alone"));
  }
  if (dataset.num_classes() < trained_on.num_classes()) match.notes.push_back(Subset(trained_on, dataset));
  return match;
}

}  // namespace

v1::DataIdentity IdentityOf(const v1::Dataset& dataset) {
  v1::DataIdentity identity;
  identity.set_dataset(dataset.name());
  identity.set_uid(dataset.uid());
  *identity.mutable_splits() = dataset.splits();
  *identity.mutable_example_shape() = dataset.example_shape();
  identity.set_element_type(dataset.element_type());
  identity.set_num_classes(dataset.num_classes());
  identity.set_target_width(dataset.target_width());
  CopyNames(dataset.class_names(), identity.mutable_class_names());
  CopyNames(dataset.feature_names(), identity.mutable_feature_names());
  identity.set_label_column(dataset.label_column());
  CopyNames(dataset.target_columns(), identity.mutable_target_columns());
  return identity;
}

std::optional<v1::DataIdentity> IdentityOf(const v1::Job& job, const v1::Dataset* dataset) {
  if (job.has_trained_on()) return job.trained_on();
  if (dataset == nullptr || dataset->name() != job.resolved_spec().data().dataset()) return std::nullopt;
  if (job.create_time() < dataset->create_time()) return std::nullopt;
  return IdentityOf(*dataset);
}

std::string DifferenceOf(const v1::DataIdentity& trained_on, const v1::Dataset& dataset,
                         const std::vector<std::string>& splits) {
  for (const v1::DatasetSplit& then : trained_on.splits()) {
    const bool counts = splits.empty() || std::find(splits.begin(), splits.end(), then.name()) != splits.end();
    if (!counts) continue;
    const v1::DatasetSplit* now = FindSplit(dataset, then.name());
    if (now == nullptr) return absl::StrCat("its split \"", then.name(), "\" is gone");
    if (now->checksum() == then.checksum()) continue;
    return absl::StrCat("its split \"", then.name(), "\" had the checksum ", then.checksum(), " then, and has ",
                        now->checksum(), " now");
  }
  const Names &known = trained_on.class_names(), &given = dataset.class_names();
  const bool same_classes = known.empty() || std::equal(known.begin(), known.end(), given.begin(), given.end());
  return same_classes ? "" : absl::StrCat("its classes were ", Listed(known), " then, and are ", Listed(given), " now");
}

std::vector<std::string> SplitsOf(const v1::DataSpec& data) {
  std::vector<std::string> splits = {data.train_split()};
  if (Evaluates(data) && !IsHeldOutPart(data, data.evaluation_split())) splits.push_back(data.evaluation_split());
  if (Tests(data)) splits.push_back(data.test_split());
  return splits;
}

absl::Status CheckSameData(const v1::Job& job, const v1::Dataset& dataset) {
  const auto changed = [&](absl::string_view how) {
    return absl::FailedPreconditionError(
        absl::StrCat(dataset.name(), " is not the dataset that ", job.name(), " was trained on: ", how));
  };
  const std::optional<v1::DataIdentity> known = IdentityOf(job, &dataset);
  if (!known.has_value()) return changed("it was imported after the job was created");
  const std::string difference = DifferenceOf(*known, dataset, SplitsOf(job.resolved_spec().data()));
  return difference.empty() ? absl::OkStatus() : changed(difference);
}

DataMatch MatchData(const v1::DataIdentity& trained_on, const v1::Dataset& dataset, v1::TargetSource targets,
                    const FieldErrors& errors) {
  CheckExamples(trained_on, dataset, errors);
  CheckFeatures(trained_on.feature_names(), dataset.feature_names(), errors);
  if (targets == v1::TARGET_SOURCE_INPUT) return {};
  const bool labels = trained_on.num_classes() > 0;
  if (labels != (dataset.num_classes() > 0) || trained_on.target_width() != dataset.target_width()) {
    errors.Add(absl::StrCat("has ", DescribeTargets(dataset.num_classes(), dataset.target_width()),
                            ", the model was trained on ",
                            DescribeTargets(trained_on.num_classes(), trained_on.target_width())));
    return {};
  }
  return labels ? MatchClasses(trained_on, dataset, errors) : DataMatch();
}

bool IsReadAs(const Shape& given, const Shape& stored) {
  if (given == stored) return true;
  if (given.size() == 3 && stored.size() == 3) return given[0] == stored[0];
  return (given.size() == 1 || stored.size() == 1) && Elements(given) == Elements(stored);
}

void CheckScale(const v1::Examples& examples, const v1::DataIdentity& trained_on, const FieldErrors& errors) {
  const auto& values = examples.values();
  if (trained_on.element_type() != v1::ELEMENT_TYPE_UINT8 || values.empty()) return;
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  const bool fractions = std::any_of(values.begin(), values.end(), [](float x) { return x != std::floor(x); });
  if (*least >= 0 && *largest <= 255 && !(*largest <= 1 && fractions)) return;
  errors.Add(absl::StrCat("lie between ", *least, " and ", *largest,
                          ", and the model was trained on bytes (0 to 255): give numbers of that range, those from 0 ",
                          "to 1 times 255"));
}

std::string ScaleWarning(const v1::DataIdentity& trained_on, float least, float largest) {
  if (!trained_on.has_example_max()) return "";
  const double then = std::max(std::abs(trained_on.example_min()), std::abs(trained_on.example_max()));
  const double now = std::max(std::abs(double{least}), std::abs(double{largest}));
  if (now <= kOtherScale * then && then <= kOtherScale * now) return "";
  return absl::StrCat("the examples lie between ", least, " and ", largest, ", those of training between ",
                      trained_on.example_min(), " and ", trained_on.example_max(),
                      ": if that is another scale, the outputs mean nothing");
}

}  // namespace traind::core
