// `trainctl model predict --input`.
#include "client/cli/example_file.h"

#include <gmock/gmock.h>

#include "tests/client/cli/app_fixture.h"
#include "tests/support/file_formats.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExampleFileTest : public AppTest {
 protected:
  std::string Save(const std::string& bytes) {
    WriteBytes(folder_ / "x.npy", bytes);
    return folder_ / "x.npy";
  }
  absl::Status Opened(const std::string& bytes) { return ExampleFile::Open(Save(bytes)).status(); }
};

TEST_F(ExampleFileTest, ReadsBytesAndFloats) {
  const auto bytes = ExampleFile::Open(Save(Npy("|u1", "(3, 1, 2, 1)", std::string("\x01\x02\x03\x04\x05\xff"))));
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(bytes->examples(), 3);
  EXPECT_EQ(bytes->example_size(), 2);
  const auto last = bytes->Read(1, 2);
  ASSERT_TRUE(last.ok());
  EXPECT_THAT(last->shape(), ElementsAre(2, 1, 2, 1));
  EXPECT_THAT(last->values(), ElementsAre(3, 4, 5, 255));
  const double numbers[] = {0.5, -2};
  const auto doubles =
      ExampleFile::Open(Save(Npy("<f8", "(1, 2)", std::string(reinterpret_cast<const char*>(numbers), 16))));
  ASSERT_TRUE(doubles.ok()) << doubles.status();
  EXPECT_THAT(doubles->Read(0, 1)->values(), ElementsAre(0.5, -2));
}

TEST_F(ExampleFileTest, WrongFilesAreExplained) {
  EXPECT_THAT(Opened("PK").message(), HasSubstr("no .npy file"));
  EXPECT_THAT(Opened(Npy("<i8", "(1, 2)", "")).message(), HasSubstr("must be float32, float64 or uint8, not '<i8'"));
  EXPECT_THAT(Opened(NpyWithHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", "")).message(),
              HasSubstr("order"));
  EXPECT_THAT(Opened(Npy("<f4", "(2,)", "")).message(),
              HasSubstr("must be (N, features) or (N, channels, height, width), not (2,"));
  EXPECT_THAT(Opened(Npy("<f4", "(9999999999, 9999999999)", "")).message(), HasSubstr("its shape is"));
  EXPECT_THAT(Opened(Npy("<f4", "(1, 2)", "short")).message(), HasSubstr("shorter than it says"));
  EXPECT_TRUE(absl::IsNotFound(ExampleFile::Open(folder_ / "none.npy").status()));
}

TEST_F(ExampleFileTest, PredictSendsAFewAtATime) {
  constexpr int kExamples = 1000;
  constexpr int kWidth = 2000;  // 8 MB in all.
  std::string values(kExamples * kWidth, '\1');
  for (int i = 0; i < kExamples; ++i) values[static_cast<size_t>(i) * kWidth] = static_cast<char>(i % 128);
  std::vector<int> sizes;
  int next = 10;
  server_.models.predict = [&](const v1::PredictRequest& request, v1::PredictResponse* response) {
    EXPECT_LT(request.ByteSizeLong(), 4u << 20);
    EXPECT_EQ(request.model().model(), "jobs/cnn/checkpoints/latest");
    const int64_t examples = request.examples().shape(0);
    sizes.push_back(static_cast<int>(examples));
    response->add_shape(examples);
    response->add_shape(1);
    for (int64_t i = 0; i < examples; ++i) {
      EXPECT_EQ(request.examples().values(static_cast<int>(i * kWidth)), static_cast<float>(next++ % 128));
      response->add_outputs(0.5F);
    }
    return grpc::Status::OK;
  };
  const std::string input = Save(Npy("|u1", "(1000, 2000)", values));
  const std::string output = folder_ / "y.npy";
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", input, "--first", "10", "-o", output}), 0) << err_.str();
  EXPECT_EQ(out_.str(), output + ": 990 x 1 outputs\n");
  EXPECT_EQ(ReadBytes(output).size(), 128 + 990 * sizeof(float));
  EXPECT_EQ(sizes.front(), 1) << "how large are the answers?";
  EXPECT_GT(sizes.size(), 3u);
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", input, "--split", "test"}), 2);
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", folder_ / "none.npy"}), 2);
}

}  // namespace
}  // namespace traind::client
