#include "server/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <vector>

#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ServicesTest {
 protected:
  // One message there and one back, both as bytes, for services that this project has no .proto file of.
  std::string Call(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(server_->InProcessChannel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    auto call = stub.PrepareCall(&context, method, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    EXPECT_TRUE(wait());
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(wait());
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    EXPECT_TRUE(wait());
    grpc::Status status;
    call->Finish(&status, nullptr);
    EXPECT_TRUE(wait());
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<grpc::Slice> slices;
    response.Dump(&slices);
    std::string bytes;
    for (const grpc::Slice& part : slices) bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return bytes;
  }
};

TEST_F(ServerTest, AnswersHealthChecksAndReflection) {
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", ""), "\x08\x01");
  // HealthCheckRequest{service: "..."}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", "\x0a\x19traind.v1.TrainingService"), "\x08\x01");
  // ServerReflectionRequest{list_services: "*"}
  const std::string services = Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  for (const char* name : {"TrainingService", "DatasetService", "ModelService", "OperationService"}) {
    EXPECT_THAT(services, HasSubstr(std::string("traind.v1.") + name));
  }
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

}  // namespace
}  // namespace traind::server
