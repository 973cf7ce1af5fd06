#include <gtest/gtest.h>

#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

class AdmissionTest : public ServicesTest {
 protected:
  // Of a job that names so many; 0: none.
  uint32_t ThreadsOf(uint32_t named) {
    v1::CreateJobRequest request = JobRequest("");
    if (named > 0) request.mutable_spec()->set_threads(named);
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    grpc::ClientContext context;
    v1::GetJobRequest get;
    get.set_name(job.name());
    get.set_view(v1::JOB_VIEW_RESOLVED);
    v1::Job resolved;
    EXPECT_TRUE(training_->GetJob(&context, get, &resolved).ok());
    EXPECT_EQ(resolved.resolved_spec().threads(), job.threads());
    EXPECT_EQ(job.spec().has_threads(), named > 0) << "as it was submitted";
    return job.threads();
  }
};

TEST_F(AdmissionTest, GivesAJobThatNamesNoThreadsTheDefault) {
  Import("digits");
  EXPECT_EQ(ThreadsOf(0), 2u);
  default_threads_ = 1;
  Start();
  EXPECT_EQ(ThreadsOf(0), 1u);
  EXPECT_EQ(ThreadsOf(2), 2u);
}

TEST_F(AdmissionTest, TakesThePriorityOfTheSpec) {
  Import("digits");
  v1::CreateJobRequest request = JobRequest("urgent");
  request.mutable_spec()->set_priority(5);
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.priority(), 5);
}

}  // namespace
}  // namespace traind::server
