// Reads a job file with the installed client library and its headers alone, and says how many steps the job has.
#include <iostream>

#include "client/client.h"
#include "client/job_file.h"

int main() {
  const auto job = traind::client::JobFile::Parse("steps: 17", "job.textproto");
  if (!job.ok()) return 1;
  const traind::client::Client client(traind::client::ClientOptions{});  // Connects with its first call.
  std::cout << "steps " << job->spec().steps() << "\n";
}
