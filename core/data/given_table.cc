#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/listing.h"
#include "core/data/csv.h"
#include "core/data/csv_columns.h"
#include "core/data/given_examples.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr size_t kColumnsListed = 20;

// What a column of the table is.
struct TableColumn {
  enum class Use { kNone, kNumber, kWords, kLabel, kTarget, kDropped };
  Use use = Use::kNone;
  size_t place = 0;                                       // Of a number among the features, of a target among those.
  absl::flat_hash_map<std::string, size_t> of_word = {};  // The feature of each word.
};

// How often a thing happened, and where first.
struct Seen {
  int64_t count = 0;
  std::string first = "";
  void Add(const CsvReader& csv, size_t column) {
    if (++count == 1) {
      first =
          absl::StrCat(Quoted(csv.row()[column]), " in column ", Quoted(csv.columns()[column]), ", line ", csv.line());
    }
  }
};

// Finds out what the columns are.
class TableColumns {
 public:
  TableColumns(const CsvReader& csv, const v1::ExampleTable& table, const v1::DataIdentity& trained_on)
      : csv_(csv), table_(table), trained_on_(trained_on), columns_(csv.columns().size()) {
    for (size_t i = 0; i < csv.columns().size(); ++i) place_.emplace(csv.columns()[i], i);
  }

  absl::Status Find() {
    for (const auto& step : {&TableColumns::FindDropped, &TableColumns::FindFeatures, &TableColumns::FindLabel,
                             &TableColumns::FindTargets, &TableColumns::CheckRest}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  const std::vector<TableColumn>& columns() const { return columns_; }
  size_t targets() const { return targets_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  using Use = TableColumn::Use;

  absl::Status NoColumn(const std::string& name, absl::string_view what) const {
    return csv_.Bad(1, absl::StrCat("no column ", Quoted(name), ", ", what,
                                    "; there are: ", absl::CHexEscape(Listing(csv_.columns(), kColumnsListed))));
  }
  absl::Status Take(const std::string& name, Use use, size_t place, absl::string_view what) {
    const auto found = place_.find(name);
    if (found == place_.end()) return NoColumn(name, what);
    TableColumn& column = columns_[found->second];
    if (column.use != Use::kNone) return csv_.Bad(1, absl::StrCat("the column ", Quoted(name), " is used twice"));
    column.use = use;
    column.place = place;
    return absl::OkStatus();
  }
  bool Has(const std::string& name) const { return place_.contains(name); }

  absl::Status FindDropped() {
    for (const std::string& name : table_.drop_columns()) {
      if (absl::Status status = Take(name, Use::kDropped, 0, "which drop_columns names"); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Features are named as their columns; those of words "<column>=<word>".
  absl::Status FindFeatures() {
    for (int i = 0; i < trained_on_.feature_names_size(); ++i) {
      const std::string& name = trained_on_.feature_names(i);
      const auto place = static_cast<size_t>(i);
      if (!Has(name) && AddWord(name, place)) continue;
      const size_t equals = name.find('=');
      const std::string column = Has(name) || equals == name.npos ? name : name.substr(0, equals);
      if (absl::Status status = Take(column, Use::kNumber, place, "which the model reads"); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  bool AddWord(const std::string& name, size_t place) {
    for (size_t equals = name.find('='); equals != name.npos; equals = name.find('=', equals + 1)) {
      const auto found = place_.find(name.substr(0, equals));
      if (found == place_.end()) continue;
      TableColumn& column = columns_[found->second];
      if (column.use != Use::kNone && column.use != Use::kWords) continue;
      column.use = Use::kWords;
      column.of_word.emplace(name.substr(equals + 1), place);
      return true;
    }
    return false;
  }

  absl::Status FindLabel() {
    const bool named = !table_.label_column().empty();
    const std::string& name = named ? table_.label_column() : trained_on_.label_column();
    if (named && trained_on_.num_classes() == 0) {
      return csv_.Bad(1, absl::StrCat("label_column ", Quoted(name), ": the model was trained on targets, not labels"));
    }
    if (!named && (name.empty() || !Has(name))) return absl::OkStatus();
    return Take(name, Use::kLabel, 0, "which label_column names");
  }

  absl::Status FindTargets() {
    const bool named = table_.target_columns_size() > 0;
    const auto& names = named ? table_.target_columns() : trained_on_.target_columns();
    if (named && names.size() != trained_on_.target_width()) {
      return csv_.Bad(
          1, absl::StrCat("target_columns are ", names.size(), ", and the model's dataset has ",
                          trained_on_.target_width(), trained_on_.target_width() == 1 ? " target" : " targets"));
    }
    const auto there = std::count_if(names.begin(), names.end(), [&](const std::string& name) { return Has(name); });
    if (!named && there == 0) return absl::OkStatus();
    if (!named && there < names.size()) return DropTargets(names);
    for (const std::string& name : names) {
      if (absl::Status status = Take(name, Use::kTarget, targets_, "which target_columns names"); !status.ok()) {
        return status;
      }
      ++targets_;
    }
    return absl::OkStatus();
  }
  template <class Names>
  absl::Status DropTargets(const Names& names) {
    for (const std::string& name : names) {
      if (!Has(name)) continue;
      if (absl::Status status = Take(name, Use::kDropped, 0, ""); !status.ok()) return status;
    }
    notes_.push_back(
        absl::StrCat("the answers are not compared: ", csv_.name(), " has only some of the columns of ", "targets"));
    return absl::OkStatus();
  }

  absl::Status CheckRest() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].use != Use::kNone) continue;
      return csv_.Bad(1, absl::StrCat("the column ", Quoted(csv_.columns()[i]),
                                      " is none that the model reads; drop_columns (--drop-columns) leaves it out, ",
                                      trained_on_.num_classes() > 0
                                          ? "label_column (--label-column) says that it is the label"
                                          : "target_columns (--target-columns) says that it is a target"));
    }
    return absl::OkStatus();
  }

  const CsvReader& csv_;
  const v1::ExampleTable& table_;
  const v1::DataIdentity& trained_on_;
  std::vector<TableColumn> columns_;
  absl::flat_hash_map<std::string, size_t> place_;
  size_t targets_ = 0;
  std::vector<std::string> notes_;
};

// Reads rows into examples.
class TableRows {
 public:
  TableRows(const std::vector<TableColumn>& columns, size_t targets, const v1::DataIdentity& trained_on, bool answers,
            GivenExamples* given)
      : columns_(columns), targets_(targets), trained_on_(trained_on), answers_(answers), given_(*given) {
    for (const std::string& name : trained_on.class_names()) {
      label_of_.emplace(name, static_cast<int32_t>(label_of_.size()));
    }
  }

  absl::Status Add(const CsvReader& csv) {
    using Use = TableColumn::Use;
    const size_t first = given_.floats.size();
    const size_t first_target = given_.targets.size();
    given_.floats.resize(first + static_cast<size_t>(given_.shape[0]), 0.0f);
    if (answers_) given_.targets.resize(first_target + targets_);
    ++given_.count;
    for (size_t i = 0; i < columns_.size(); ++i) {
      absl::Status status;
      const TableColumn& column = columns_[i];
      if (column.use == Use::kNumber) status = Number(csv, i, &given_.floats[first + column.place]);
      if (column.use == Use::kWords) status = Word(csv, i, &given_.floats[first]);
      if (column.use == Use::kTarget && answers_) status = Number(csv, i, &given_.targets[first_target + column.place]);
      if (column.use == Use::kLabel && answers_) status = Label(csv, i);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void AddNotes() {
    if (unknown_.count > 0) {
      given_.notes.push_back(absl::StrCat("words that the training examples have not, all zeros in the features: ",
                                          unknown_.count, ", first ", unknown_.first));
    }
    if (rounded_.count > 0) {
      given_.notes.push_back(
          absl::StrCat("integers that float32 rounds: ", rounded_.count, ", first ", rounded_.first));
    }
  }

 private:
  static absl::Status Missing(const CsvReader& csv, size_t column) {
    return BadField(
        csv, column,
        absl::StrCat(csv.row()[column].empty() ? "is empty" : absl::StrCat(Quoted(csv.row()[column]), " is no value"),
                     "; put in what shall stand for it"));
  }
  absl::Status Number(const CsvReader& csv, size_t column, float* value) {
    if (IsMissing(csv, column, false)) return Missing(csv, column);
    bool exact = true;
    auto number = ParseNumber(csv, column, &exact);
    if (!number.ok()) return number.status();
    if (!exact) rounded_.Add(csv, column);
    *value = *number;
    return absl::OkStatus();
  }
  absl::Status Word(const CsvReader& csv, size_t column, float* row) {
    if (IsMissing(csv, column, true)) return Missing(csv, column);
    const auto& of_word = columns_[column].of_word;
    const auto found = of_word.find(csv.row()[column]);
    if (found == of_word.end()) {
      unknown_.Add(csv, column);
    } else {
      row[found->second] = 1;
    }
    return absl::OkStatus();
  }
  absl::Status Label(const CsvReader& csv, size_t column) {
    const std::string& text = csv.row()[column];
    int32_t label = -1;
    if (const auto named = label_of_.find(text); named != label_of_.end()) {
      label = named->second;
    } else if (ParseLabel(text, &label) != LabelKind::kInteger || label >= trained_on_.num_classes()) {
      if (label_of_.empty()) {
        return BadField(csv, column,
                        absl::StrCat(Quoted(text), " is no class: they are 0 to ", trained_on_.num_classes() - 1));
      }
      const std::vector<std::string> names(trained_on_.class_names().begin(), trained_on_.class_names().end());
      return BadField(csv, column, UnknownClass(absl::CHexEscape(text), names).message());
    }
    given_.labels.push_back(label);
    return absl::OkStatus();
  }

  const std::vector<TableColumn>& columns_;
  const size_t targets_;
  const v1::DataIdentity& trained_on_;
  const bool answers_;
  GivenExamples& given_;
  absl::flat_hash_map<std::string, int32_t> label_of_;
  Seen unknown_, rounded_;
};

}  // namespace

absl::StatusOr<GivenExamples> ReadTable(const v1::ExampleTable& table, const v1::DataIdentity& trained_on,
                                        bool answers) {
  GivenExamples given{.shape = {trained_on.feature_names_size()}};
  if (given.shape[0] == 0) {
    return absl::InvalidArgumentError(
        "table: the features of the model's dataset have no names by which columns could be found; give the examples "
        "as numbers (a .npy file)");
  }
  const auto delimiter = table.delimiter().empty() ? std::nullopt : std::optional(table.delimiter()[0]);
  auto csv = CsvReader::OpenText(absl::CHexEscape(table.name()), table.content(), delimiter);
  if (!csv.ok()) return csv.status();
  TableColumns columns(*csv, table, trained_on);
  if (absl::Status status = columns.Find(); !status.ok()) return status;
  given.notes = columns.notes();
  if (table.first_line() > 0) csv->CountFrom(table.first_line());
  const int64_t most = kMaxGivenBytes / (given.shape[0] * static_cast<int64_t>(sizeof(float)));
  const auto row_ends =
      std::count_if(table.content().begin(), table.content().end(), [](char c) { return c == '\n' || c == '\r'; });
  // At once: a vector that grows holds its numbers twice.
  given.floats.reserve(static_cast<size_t>(std::min<int64_t>(most, row_ends + 1) * given.shape[0]));
  TableRows rows(columns.columns(), columns.targets(), trained_on, answers, &given);
  for (;;) {
    auto next = csv->Next();
    if (!next.ok()) return next.status();
    if (!*next) break;
    if (given.count == most)
      return csv->Bad(csv->line(), absl::StrCat("more than ", most, " lines; send several calls"));
    if (absl::Status status = rows.Add(*csv); !status.ok()) return status;
  }
  if (given.count == 0) return csv->Bad(1, "no line follows the header");
  rows.AddNotes();
  return given;
}

}  // namespace traind::core
