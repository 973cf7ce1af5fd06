#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/file.h"
#include "tests/client/fake_server.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;

// Bytes that repeat nowhere near a chunk's size.
std::string Content(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

class TransferTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ / name; }
  void WriteFile(const std::string& name, const std::string& bytes) const { WriteBytes(Path(name), bytes); }
  std::string ReadFile(const std::string& name) const { return ReadBytes(Path(name)); }

  const TemporaryFolder folder_;
  FakeServer server_;
  FakeClock clock_;
  Client client_ = server_.MakeClient(clock_);
};

// Announces `content` and sends `count` bytes of it from the offset that was asked for.
void Send(const std::string& content, const std::string& crc, size_t count,
          const v1::DownloadCheckpointRequest& request, grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
  v1::DownloadCheckpointResponse response;
  response.set_size_bytes(static_cast<int64_t>(content.size()));
  response.set_crc32(crc);
  response.set_chunk(content.substr(static_cast<size_t>(request.offset()), count));
  writer->Write(response);
}

TEST_F(TransferTest, ADownloadGoesOnWhereTheConnectionBroke) {
  const std::string content = Content(100'000);
  std::vector<int64_t> offsets;
  server_.models.download = [&](const v1::DownloadCheckpointRequest& request,
                                grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
    offsets.push_back(request.offset());
    Send(content, Crc32Text(content), 40'000, request, writer);
    return request.offset() < 80'000 ? Unavailable() : grpc::Status::OK;
  };
  std::vector<int64_t> progress;
  const auto size = client_.DownloadCheckpoint("jobs/a/checkpoints/1", Path("w"), [&](int64_t done, int64_t total) {
    progress.push_back(done);
    EXPECT_EQ(total, 100'000);
  });
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size, 100'000);
  EXPECT_THAT(offsets, ElementsAre(0, 40'000, 80'000));
  EXPECT_EQ(progress.back(), 100'000);
  EXPECT_EQ(ReadFile("w"), content);
  EXPECT_FALSE(std::filesystem::exists(Path("w.part")));
}

TEST_F(TransferTest, ADownloadContinuesThePartOfAnEarlierProcess) {
  const std::string content = Content(1000);
  WriteFile("w.part", content.substr(0, 600));
  std::vector<int64_t> offsets;
  server_.models.download = [&](const v1::DownloadCheckpointRequest& request,
                                grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
    offsets.push_back(request.offset());
    Send(content, Crc32Text(content), 1000, request, writer);
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_.DownloadCheckpoint("jobs/a/checkpoints/1", Path("w")).ok());
  EXPECT_THAT(offsets, ElementsAre(600));
  EXPECT_EQ(ReadFile("w"), content);
}

TEST_F(TransferTest, APartOfAnotherFileIsStartedAgain) {
  const std::string content = Content(1000);
  WriteFile("w.part", std::string(600, 'x'));
  std::vector<int64_t> offsets;
  server_.models.download = [&](const v1::DownloadCheckpointRequest& request,
                                grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
    offsets.push_back(request.offset());
    Send(content, Crc32Text(content), 1000, request, writer);
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_.DownloadCheckpoint("jobs/a/checkpoints/1", Path("w")).ok());
  EXPECT_THAT(offsets, ElementsAre(600, 0));
  EXPECT_EQ(ReadFile("w"), content);
}

TEST_F(TransferTest, ACheckpointThatChangesBetweenTwoStreamsIsStartedAgain) {
  const std::string old_content = Content(1000), content = std::string(1000, 'n');
  std::vector<int64_t> offsets;
  server_.models.download = [&](const v1::DownloadCheckpointRequest& request,
                                grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
    offsets.push_back(request.offset());
    if (offsets.size() == 1) {
      Send(old_content, Crc32Text(old_content), 500, request, writer);
      return Unavailable();
    }
    Send(content, Crc32Text(content), 1000, request, writer);
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_.DownloadCheckpoint("jobs/a/checkpoints/latest", Path("w")).ok());
  EXPECT_THAT(offsets, ElementsAre(0, 500, 0));
  EXPECT_EQ(ReadFile("w"), content);
}

TEST_F(TransferTest, AWrongChecksumIsDataLossAndLeavesTheOldFile) {
  const std::string content = Content(1000);
  WriteFile("w", "old");
  server_.models.download = [&](const v1::DownloadCheckpointRequest& request,
                                grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) {
    Send(content, "00000000", 1000, request, writer);
    return grpc::Status::OK;
  };
  const absl::Status status = client_.DownloadCheckpoint("jobs/a/checkpoints/1", Path("w")).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(ReadFile("w"), "old");
  EXPECT_FALSE(std::filesystem::exists(Path("w.part")));
}

TEST_F(TransferTest, ADownloadThatTheServerRefusesLeavesNothing) {
  server_.models.download = [](const v1::DownloadCheckpointRequest&,
                               grpc::ServerWriter<v1::DownloadCheckpointResponse>*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no jobs/a");
  };
  EXPECT_EQ(Said(client_.DownloadCheckpoint("jobs/a/checkpoints/1", Path("w")).status()), "NOT_FOUND: no jobs/a");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

// A server that keeps at most `budget` bytes of each stream.
struct UploadStore {
  std::string bytes;
  bool known = false;
  v1::UploadHeader header;
  std::vector<int64_t> offsets;
  size_t budget = 300'000;

  void Serve(FakeDatasets& service) {
    service.get_upload = [this](const v1::GetUploadRequest& request, v1::Upload* upload) {
      if (!known) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no " + request.name());
      upload->set_name(request.name());
      upload->set_committed_bytes(static_cast<int64_t>(bytes.size()));
      return grpc::Status::OK;
    };
    service.upload = [this](grpc::ServerReader<v1::UploadDatasetRequest>* reader, v1::Upload* upload) {
      v1::UploadDatasetRequest request;
      if (!reader->Read(&request)) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no header");
      header = request.header();
      known = true;
      offsets.push_back(header.offset());
      bytes.resize(static_cast<size_t>(header.offset()));
      size_t received = 0;
      while (reader->Read(&request)) {
        bytes += request.chunk();
        received += request.chunk().size();
        if (received >= budget) return Unavailable();
      }
      upload->set_name("uploads/" + header.upload_id());
      upload->set_complete(true);
      return grpc::Status::OK;
    };
  }
};

TEST_F(TransferTest, AnUploadGoesOnFromWhatTheServerHas) {
  const std::string content = Content(1'000'000);
  WriteFile("x.npy", content);
  UploadStore store;
  store.Serve(server_.datasets);
  const auto upload = client_.UploadFile(Path("x.npy"));
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ(store.bytes, content);
  EXPECT_EQ(store.header.crc32(), Crc32Text(content));
  EXPECT_EQ(store.header.size_bytes(), 1'000'000);
  EXPECT_GE(store.offsets.size(), 2u);
  EXPECT_EQ(store.offsets[0], 0);
  EXPECT_GT(store.offsets[1], 0);
  EXPECT_EQ(upload->name(), "uploads/crc-" + Crc32Text(content) + "-size-1000000");
}

TEST_F(TransferTest, AnUploadThatTheServerDiscardsIsAnError) {
  WriteFile("x.npy", Content(100));
  UploadStore store;
  store.Serve(server_.datasets);
  server_.datasets.upload = [](grpc::ServerReader<v1::UploadDatasetRequest>*, v1::Upload*) {
    return grpc::Status(grpc::StatusCode::DATA_LOSS, "the bytes do not match");
  };
  EXPECT_EQ(Said(client_.UploadFile(Path("x.npy")).status()), "DATA_LOSS: the bytes do not match");
}

TEST_F(TransferTest, AMissingFileIsNamed) {
  const absl::Status status = client_.UploadFile(Path("none")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(Path("none")));
  EXPECT_EQ(client_.UploadFile(folder_.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TransferTest, ABrokenUploadOfAModelBeginsAnewUnderOneRequestId) {
  const std::string content = Content(600'000);
  WriteFile("weights", content);
  std::vector<std::string> ids;
  std::string received;
  server_.models.upload = [&](grpc::ServerReader<v1::UploadModelRequest>* reader, v1::Model* model) {
    v1::UploadModelRequest request;
    reader->Read(&request);
    EXPECT_EQ(request.header().model_id(), "mine");
    EXPECT_EQ(request.header().size_bytes(), 600'000);
    EXPECT_EQ(request.header().labels().at("team"), "vision");
    ids.push_back(request.header().request_id());
    if (ids.size() == 1) return Unavailable();
    while (reader->Read(&request)) received += request.chunk();
    model->set_name("models/mine");
    return grpc::Status::OK;
  };
  v1::UploadModelHeader header;
  header.set_model_id("mine");
  (*header.mutable_labels())["team"] = "vision";
  const absl::StatusOr<v1::Model> model = client_.UploadModel(header, Path("weights"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(received, content);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0].size(), 32u);
}

// As root a rename over /dev/null would work.
TEST(Replaceable, NothingComesInThePlaceOfADevice) {
  EXPECT_TRUE(CheckReplaceable("/no/such/file").ok());
  for (const char* path : {"/dev/null", "/dev/full", "/tmp"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckReplaceable(path))) << path;
    FakeServer server;
    ClientOptions options;
    options.server = server.address();
    Client client(options);
    const absl::Status status = client.DownloadCheckpoint("jobs/a/checkpoints/1", path).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_NE(access(absl::StrCat(path, ".part").c_str(), F_OK), 0);
  }
}

}  // namespace
}  // namespace traind::client
