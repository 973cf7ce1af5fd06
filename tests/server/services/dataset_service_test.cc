#include "server/services/dataset_service.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/base/checksum.h"
#include "server/services/import_request.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetServiceTest : public ServicesTest {
 protected:
  grpc::Status Upload(const v1::UploadHeader& header, const std::string& bytes, v1::Upload* upload) {
    grpc::ClientContext context;
    auto stream = datasets_->UploadDataset(&context, upload);
    v1::UploadDatasetRequest request;
    *request.mutable_header() = header;
    stream->Write(request);
    request.set_chunk(bytes);
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }
};

TEST_F(DatasetServiceTest, AnImportIsTheWorkOfAWorkerThatMayDie) {
  launcher_.HoldDataTasks();
  grpc::Status status;
  std::thread call([&] {
    v1::Dataset dataset;
    status = ImportAll(ImportRequest("digits"), &dataset);
  });
  for (size_t n = 1; n <= 4; ++n) {
    auto worker = launcher_.Await(n);
    ASSERT_EQ(worker->task.import().files_size(), 4);
    EXPECT_EQ(worker->task.import().files(1).file().path(), "labels.npy");
    EXPECT_EQ(worker->task.import().files(1).path(), std::filesystem::canonical(root_ + "/labels.npy"));
    // Half a dataset.
    std::filesystem::create_directories(worker->task.dataset_dir());
    std::ofstream(worker->task.dataset_dir() + "/train.examples.npy") << "half";
    worker->End(WorkerExit::Kind::kCrashed, "killed by signal 11 (SIGSEGV)");
  }
  call.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("killed by signal 11 (SIGSEGV)"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data/datasets/digits"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/trash"));
}

TEST_F(DatasetServiceTest, AnImportIsValidatedBeforeItsFilesAreSent) {
  const auto validate = [this](const v1::ImportDatasetRequest& request) {
    grpc::ClientContext context;
    v1::Operation operation;
    const grpc::Status status = datasets_->ImportDataset(&context, request, &operation);
    EXPECT_TRUE(operation.name().empty());
    return status;
  };
  v1::ImportDatasetRequest request = ImportRequest("digits");
  request.set_validate_only(true);
  request.mutable_splits(0)->mutable_examples()->set_upload("uploads/not-yet");
  EXPECT_TRUE(validate(request).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data/datasets/digits"));
  request.mutable_splits(1)->mutable_examples()->set_path("none.npy");
  const grpc::Status missing = validate(request);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(missing.error_message(),
            "\"none.npy\": there is no such file or folder in the server's --dataset-root (" + root_ + ")");
  request.mutable_splits(0)->set_name("Train");
  EXPECT_EQ(validate(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_dataset_id("Digits");
  EXPECT_THAT(validate(request).error_message(), HasSubstr("dataset_id"));
  Import("taken");
  request = ImportRequest("taken");
  request.set_validate_only(true);
  EXPECT_EQ(validate(request).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(DatasetServiceTest, ADatasetThatIsReadStays) {
  Import("digits");
  launcher_.HoldDataTasks();
  v1::DescribeDatasetRequest request;
  request.set_name("datasets/digits");
  v1::Operation operation;
  grpc::ClientContext context;
  ASSERT_TRUE(datasets_->DescribeDataset(&context, request, &operation).ok());
  auto worker = launcher_.Await(1);
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/digits");
  google::protobuf::Empty empty;
  grpc::ClientContext early;
  const grpc::Status refused = datasets_->DeleteDataset(&early, remove, &empty);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused.error_message(), operation.name() + " uses datasets/digits");
  worker->End(WorkerExit::Kind::kFinished);
  v1::DatasetDescription description;
  ASSERT_TRUE(Await(*operations_, grpc::Status::OK, operation, &description).ok());
  grpc::ClientContext late;
  EXPECT_TRUE(datasets_->DeleteDataset(&late, remove, &empty).ok());
}

TEST_F(DatasetServiceTest, ViolationsOfAnImportComeFromTheWorker) {
  v1::ImportDatasetRequest request = ImportRequest("digits");
  request.mutable_splits(1)->set_format(v1::FORMAT_CIFAR10);
  request.mutable_splits(1)->clear_labels();
  v1::Dataset dataset;
  const grpc::Status status = ImportAll(request, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(status), ElementsAre("splits[1].examples"));
  request.mutable_splits(1)->set_name("train");
  (*request.mutable_labels())["Team"] = "vision";
  grpc::ClientContext context;
  v1::Operation operation;
  EXPECT_EQ(datasets_->ImportDataset(&context, request, &operation).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "at once";
}

TEST_F(DatasetServiceTest, AnImportGivesLabelsAndAUid) {
  v1::ImportDatasetRequest request = ImportRequest("digits");
  (*request.mutable_labels())["team"] = "vision";
  v1::Dataset dataset;
  ASSERT_TRUE(ImportAll(request, &dataset).ok());
  EXPECT_EQ(dataset.labels().at("team"), "vision");
  EXPECT_EQ(dataset.uid().size(), 36u);
  v1::GetDatasetRequest get;
  get.set_name("datasets/digits");
  v1::Dataset stored;
  grpc::ClientContext context;
  ASSERT_TRUE(datasets_->GetDataset(&context, get, &stored).ok());
  EXPECT_EQ(stored.uid(), dataset.uid());
  EXPECT_EQ(stored.labels().at("team"), "vision");
}

TEST_F(DatasetServiceTest, DescribesDatasets) {
  Import("digits");
  v1::DescribeDatasetRequest request;
  request.set_name("datasets/digits");
  v1::DatasetDescription description;
  grpc::ClientContext context;
  v1::Operation operation;
  const grpc::Status begun = datasets_->DescribeDataset(&context, request, &operation);
  const grpc::Status status = Await(*operations_, begun, operation, &description);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(description.dataset().name(), "datasets/digits");
  ASSERT_EQ(description.splits_size(), 2);
  EXPECT_THAT(description.splits(0).class_counts(), ElementsAre(7, 7, 6));
  EXPECT_EQ(description.splits(0).duplicates(), kExamples - 1);
  EXPECT_EQ(description.splits(1).shared_with_first(), kExamples);
  request.set_name("datasets/none");
  grpc::ClientContext missing;
  EXPECT_EQ(datasets_->DescribeDataset(&missing, request, &operation).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DatasetServiceTest, ImportsListsAndDeletesDatasets) {
  for (const char* id : {"c", "a", "b"}) Import(id);
  v1::ListDatasetsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    v1::ListDatasetsResponse response;
    ASSERT_TRUE(datasets_->ListDatasets(&context, request, &response).ok());
    for (const v1::Dataset& dataset : response.datasets()) names.push_back(dataset.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("datasets/a", "datasets/b", "datasets/c"));

  v1::Dataset dataset;
  EXPECT_EQ(ImportAll(ImportRequest("a"), &dataset).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/a");
  google::protobuf::Empty empty;
  grpc::ClientContext first;
  EXPECT_TRUE(datasets_->DeleteDataset(&first, remove, &empty).ok());
  grpc::ClientContext second;
  EXPECT_EQ(datasets_->DeleteDataset(&second, remove, &empty).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DatasetServiceTest, ListsTheDatasetsThereAreForOneThatIsNot) {
  Import("digits");
  grpc::ClientContext context;
  v1::GetDatasetRequest request;
  request.set_name("datasets/digit");
  v1::Dataset dataset;
  const grpc::Status status = datasets_->GetDataset(&context, request, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "there is no datasets/digit; there are: digits");
}

TEST_F(DatasetServiceTest, ReadsNothingOutsideTheDatasetRoot) {
  std::filesystem::create_symlink("/etc/passwd", root_ + "/link");
  const std::vector<std::string> roots = {root_};
  for (const std::string& path : {std::string("/etc/passwd"), std::string("../data/lock"), std::string("link"),
                                  std::string("/etc/no-such-file"), root_ + "/../data/lock", root_ + "-sibling/file"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(ResolveDataPath(roots, path).status())) << path;
  }
  EXPECT_TRUE(absl::IsNotFound(ResolveDataPath(roots, "none.npy").status()));
  EXPECT_TRUE(ResolveDataPath(roots, "labels.npy").ok());
  EXPECT_TRUE(ResolveDataPath(roots, root_ + "/labels.npy").ok());
}

TEST_F(DatasetServiceTest, GoesOnWithABrokenUpload) {
  v1::UploadHeader header;
  header.set_upload_id("examples");
  header.set_size_bytes(static_cast<int64_t>(examples_.size()));
  header.set_crc32(core::Crc32Hex(examples_));
  v1::Upload upload;
  const size_t half = examples_.size() / 2;
  EXPECT_EQ(Upload(header, examples_.substr(0, half), &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  Start();  // Committed bytes outlive the server.
  v1::GetUploadRequest get;
  get.set_name("uploads/examples");
  grpc::ClientContext context;
  ASSERT_TRUE(datasets_->GetUpload(&context, get, &upload).ok());
  EXPECT_EQ(upload.committed_bytes(), static_cast<int64_t>(half));
  EXPECT_FALSE(upload.complete());
  header.set_offset(static_cast<int64_t>(half) + 1);
  EXPECT_EQ(Upload(header, "x", &upload).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  header.set_offset(static_cast<int64_t>(half));
  const grpc::Status status = Upload(header, examples_.substr(half), &upload);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(upload.complete());

  v1::ImportDatasetRequest request = ImportRequest("digits");
  for (auto& split : *request.mutable_splits()) split.mutable_examples()->set_upload("uploads/examples");
  v1::Dataset dataset;
  const grpc::Status imported = ImportAll(request, &dataset);
  EXPECT_TRUE(imported.ok()) << imported.error_message();
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data/uploads/examples")) << "it has served its purpose";
}

TEST_F(DatasetServiceTest, RefusesWrongUploads) {
  v1::UploadHeader header;
  header.set_upload_id("file");
  header.set_size_bytes(4);
  header.set_crc32("00000000");
  v1::Upload upload;
  EXPECT_EQ(Upload(header, "abcd", &upload).error_code(), grpc::StatusCode::DATA_LOSS);
  v1::GetUploadRequest get;
  get.set_name("uploads/file");
  grpc::ClientContext context;
  EXPECT_EQ(datasets_->GetUpload(&context, get, &upload).error_code(), grpc::StatusCode::NOT_FOUND) << "discarded";
  EXPECT_EQ(Upload(header, "abcde", &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "too long";
  header.set_upload_id("../x");
  header.set_crc32("xyz");
  header.set_size_bytes(0);
  EXPECT_THAT(Fields(Upload(header, "", &upload)),
              ElementsAre("header.upload_id", "header.size_bytes", "header.crc32"));
}

TEST_F(DatasetServiceTest, UpdatesFiltersAndGuardsDatasets) {
  for (const char* id : {"a", "b", "c"}) Import(id);
  const auto get = [&](const std::string& name) {
    v1::GetDatasetRequest request;
    request.set_name(name);
    v1::Dataset dataset;
    grpc::ClientContext context;
    EXPECT_TRUE(datasets_->GetDataset(&context, request, &dataset).ok());
    return dataset;
  };
  const v1::Dataset before = get("datasets/b");
  EXPECT_EQ(before.uid().size(), 36u);
  EXPECT_EQ(before.etag().size(), 8u);
  v1::UpdateDatasetRequest update;
  update.mutable_dataset()->set_name("datasets/b");
  (*update.mutable_dataset()->mutable_labels())["team"] = "vision";
  update.mutable_update_mask()->add_paths("labels");
  v1::Dataset dataset;
  grpc::ClientContext first;
  const grpc::Status status = datasets_->UpdateDataset(&first, update, &dataset);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dataset.labels().at("team"), "vision");
  EXPECT_NE(dataset.etag(), before.etag());
  EXPECT_EQ(dataset.uid(), before.uid());
  EXPECT_EQ(get("datasets/b").SerializeAsString(), dataset.SerializeAsString());
  update.mutable_dataset()->set_etag(before.etag());
  grpc::ClientContext second;
  EXPECT_EQ(datasets_->UpdateDataset(&second, update, &dataset).error_code(), grpc::StatusCode::ABORTED);
  update.mutable_update_mask()->add_paths("splits");
  grpc::ClientContext third;
  EXPECT_THAT(Fields(datasets_->UpdateDataset(&third, update, &dataset)), ElementsAre("update_mask.paths[1]"));

  v1::ListDatasetsRequest list;
  list.set_filter("NOT labels:team num_classes = 3");
  list.set_order_by("create_time desc, name desc");
  v1::ListDatasetsResponse response;
  grpc::ClientContext listing;
  ASSERT_TRUE(datasets_->ListDatasets(&listing, list, &response).ok());
  std::vector<std::string> names;
  for (const v1::Dataset& each : response.datasets()) names.push_back(each.name());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("datasets/a", "datasets/c"));
  list.set_order_by("labels");
  grpc::ClientContext wrong;
  EXPECT_THAT(Fields(datasets_->ListDatasets(&wrong, list, &response)), ElementsAre("order_by"));

  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/b");
  remove.set_etag(before.etag());
  google::protobuf::Empty empty;
  grpc::ClientContext stale;
  EXPECT_EQ(datasets_->DeleteDataset(&stale, remove, &empty).error_code(), grpc::StatusCode::ABORTED);
  remove.set_etag(get("datasets/b").etag());
  grpc::ClientContext good;
  EXPECT_TRUE(datasets_->DeleteDataset(&good, remove, &empty).ok());
  Import("b");
  EXPECT_NE(get("datasets/b").uid(), before.uid());
}

TEST_F(DatasetServiceTest, ListsAndDeletesUploads) {
  v1::Upload upload;
  for (const char* id : {"b", "a"}) {
    v1::UploadHeader header;
    header.set_upload_id(id);
    header.set_size_bytes(*id == 'a' ? 3 : 4);
    header.set_crc32(core::Crc32Hex("abc"));
    Upload(header, "abc", &upload);  // That of "b" is not whole yet.
  }
  EXPECT_EQ(upload.name(), "uploads/a");
  EXPECT_TRUE(upload.complete());
  EXPECT_EQ(upload.uid().size(), 36u);
  EXPECT_GT(upload.create_time().seconds(), 0);
  EXPECT_GE(upload.update_time().seconds(), upload.create_time().seconds());
  const auto list = [&](const std::string& filter) {
    v1::ListUploadsRequest request;
    request.set_filter(filter);
    v1::ListUploadsResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(datasets_->ListUploads(&context, request, &response).ok());
    std::vector<std::string> names;
    for (const v1::Upload& each : response.uploads()) names.push_back(each.name());
    return names;
  };
  EXPECT_THAT(list(""), ElementsAre("uploads/a", "uploads/b"));
  EXPECT_THAT(list("complete = false AND committed_bytes = 3"), ElementsAre("uploads/b"));
  const auto remove = [&](const std::string& name, const std::string& etag) {
    v1::DeleteUploadRequest request;
    request.set_name(name);
    request.set_etag(etag);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return datasets_->DeleteUpload(&context, request, &empty).error_code();
  };
  EXPECT_EQ(remove("uploads/a", "another"), grpc::StatusCode::ABORTED);
  EXPECT_EQ(remove("uploads/a", upload.etag()), grpc::StatusCode::OK);
  EXPECT_EQ(remove("uploads/a", ""), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(remove("../a", ""), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(list(""), ElementsAre("uploads/b"));
}

TEST_F(DatasetServiceTest, ADamagedDatasetIsPassedOverNamedAndDeleted) {
  Import("a");
  Import("b");
  std::ofstream(folder_.path() + "/data/datasets/a/dataset.json") << "{ not json";
  v1::ListDatasetsResponse list;
  grpc::ClientContext listing, getting, deleting, again;
  ASSERT_TRUE(datasets_->ListDatasets(&listing, {}, &list).ok());
  ASSERT_EQ(list.datasets_size(), 1);
  EXPECT_EQ(list.datasets(0).name(), "datasets/b");
  EXPECT_THAT(list.unreachable(), ElementsAre("datasets/a"));
  v1::GetDatasetRequest get;
  get.set_name("datasets/a");
  v1::Dataset dataset;
  const grpc::Status status = datasets_->GetDataset(&getting, get, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("datasets/a cannot be read"));
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/a");
  google::protobuf::Empty empty;
  EXPECT_TRUE(datasets_->DeleteDataset(&deleting, remove, &empty).ok());
  list.Clear();
  ASSERT_TRUE(datasets_->ListDatasets(&again, {}, &list).ok());
  EXPECT_EQ(list.unreachable_size(), 0);
}

TEST_F(DatasetServiceTest, ADamagedUploadIsPassedOverNamedAndDeleted) {
  v1::UploadHeader header;
  header.set_upload_id("up");
  header.set_size_bytes(4);
  header.set_crc32(core::Crc32Hex("abcd"));
  v1::Upload upload;
  ASSERT_TRUE(Upload(header, "abcd", &upload).ok());
  std::ofstream(folder_.path() + "/data/uploads/up/upload.pb") << std::string("\xff\xff", 2);
  v1::ListUploadsResponse list;
  grpc::ClientContext listing, deleting;
  ASSERT_TRUE(datasets_->ListUploads(&listing, {}, &list).ok());
  EXPECT_THAT(list.unreachable(), ElementsAre("uploads/up"));
  v1::DeleteUploadRequest remove;
  remove.set_name("uploads/up");
  google::protobuf::Empty empty;
  EXPECT_TRUE(datasets_->DeleteUpload(&deleting, remove, &empty).ok());
}

}  // namespace
}  // namespace traind::server
