#include "server/services/model_service.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::UnorderedElementsAre;

class ModelServiceTest : public ServicesTest {
 protected:
  grpc::Status Upload(const std::string& id, const std::string& bytes, v1::Model* model) {
    grpc::ClientContext context;
    auto stream = models_->UploadModel(&context, model);
    v1::UploadModelRequest request;
    request.mutable_header()->set_model_id(id);
    request.mutable_header()->set_size_bytes(static_cast<int64_t>(bytes.size()));
    request.mutable_header()->set_crc32(core::Crc32Hex(bytes));
    stream->Write(request);
    request.set_chunk(bytes);
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }
};

TEST_F(ModelServiceTest, RefusesAModelThatIsNone) {
  v1::Model model;
  EXPECT_EQ(Upload("m", "abcd", &model).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/models"));
}

TEST_F(ModelServiceTest, KeepsAModelAsItsWeightsAndTheirChecksum) {
  // One tensor of one float32.
  const std::string header = R"({"a.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string bytes = std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abcd";
  v1::Model model;
  const grpc::Status status = Upload("m", bytes, &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.name(), "models/m");
  ASSERT_EQ(model.tensors_size(), 1);
  EXPECT_EQ(model.tensors(0).name(), "a.weight");
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/data/models/m")) {
    files.push_back(entry.path().filename());
  }
  EXPECT_THAT(files, UnorderedElementsAre("weights.safetensors", "weights.pb"));
  EXPECT_EQ(Upload("m", bytes, &model).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

}  // namespace
}  // namespace traind::server
