#include "core/checkpoint/safetensors_header.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxRank = 8;

// Takes the parser's events. Where in the structure the parser is follows from what is open.
class Handler final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Unexpected(); }
  bool boolean(bool) override { return Unexpected(); }
  bool number_float(double, const std::string&) override { return Unexpected(); }
  bool binary(binary_t&) override { return Unexpected(); }
  bool number_integer(int64_t value) override {  // Only called for negative numbers.
    return Fail(absl::StrCat("the number ", value, " is negative"));
  }
  bool number_unsigned(uint64_t value) override {
    if (numbers_ == nullptr) return Unexpected();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return Fail("a number does not fit 63 bits");
    if (numbers_->size() == kMaxRank) return Fail(absl::StrCat("more than ", kMaxRank, " numbers"));
    numbers_->push_back(static_cast<int64_t>(value));
    return true;
  }
  bool string(std::string& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[key_] = std::move(value);
      return true;
    }
    if (place_ != Place::kTensor || key_ != "dtype" || numbers_ != nullptr) return Unexpected();
    header_.tensors.back().dtype = std::move(value);
    return true;
  }
  bool start_array(size_t) override {
    if (place_ != Place::kTensor || numbers_ != nullptr) return Unexpected();
    if (key_ == "shape") numbers_ = &header_.tensors.back().shape;
    if (key_ == "data_offsets") numbers_ = &header_.tensors.back().data_offsets;
    return numbers_ != nullptr || Unexpected();
  }
  bool end_array() override {
    numbers_ = nullptr;
    return true;
  }
  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = key_ == "__metadata__" ? Place::kMetadata : Place::kTensor;
      if (place_ == Place::kTensor) header_.tensors.emplace_back().name = key_;
    } else {
      return Unexpected();
    }
    fields_.clear();
    return true;
  }
  bool key(std::string& key) override {
    std::set<std::string>& seen = place_ == Place::kTop ? names_ : fields_;
    if (!seen.insert(key).second) return Fail(absl::StrCat("the key '", key, "' occurs twice"));
    if (place_ == Place::kTensor && key != "dtype" && key != "shape" && key != "data_offsets") {
      return Fail(absl::StrCat("unknown key '", key, "'"));
    }
    key_ = std::move(key);
    return true;
  }
  bool end_object() override {
    if (place_ == Place::kTensor && fields_.size() != 3) return Fail("needs dtype, shape and data_offsets");
    if (place_ == Place::kTensor && header_.tensors.back().data_offsets.size() != 2) {
      return Fail("data_offsets needs two numbers");
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/, const Json::exception&) override {
    error_ = absl::StrCat("byte ", kLengthBytes + position, ": the header is not valid JSON");
    return false;
  }

  const std::string& error() const { return error_; }
  SafetensorsHeader& header() { return header_; }

 private:
  enum class Place { kStart, kTop, kTensor, kMetadata, kEnd };

  bool Fail(const std::string& error) {
    const bool tensor = place_ == Place::kTensor;
    error_ = tensor ? absl::StrCat("the header's tensor '", header_.tensors.back().name, "': ", error)
                    : absl::StrCat("the header: ", error);
    return false;
  }
  bool Unexpected() {
    if (place_ == Place::kStart) return Fail("must be a JSON object");
    return Fail(absl::StrCat("the value of '", key_, "' has the wrong type"));
  }

  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string key_;
  std::vector<int64_t>* numbers_ = nullptr;
  std::set<std::string> names_;   // Keys of the top object.
  std::set<std::string> fields_;  // Keys of the inner object.
  std::string error_;
};

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json) {
  Handler handler;
  if (!Json::sax_parse(json.begin(), json.end(), &handler)) return absl::InvalidArgumentError(handler.error());
  return std::move(handler.header());
}

}  // namespace traind::core
