// Stands in for traind-worker in the tests of WorkerProcess: does what the task's job name says, most of it wrong.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "server/wire/channel.h"
#include "server/workers/spawn.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {
namespace {

internal::ToServer EventOf(uint64_t step) {
  internal::ToServer message;
  message.mutable_event()->set_step(step);
  message.mutable_event()->mutable_train()->set_loss(1.0 / static_cast<double>(step));
  return message;
}

internal::ToServer ResultOf(uint64_t step) {
  internal::ToServer message;
  message.mutable_result()->set_step(step);
  return message;
}

void SendEvents(Channel& channel, uint64_t count) {
  for (uint64_t step = 1; step <= count; ++step) {
    if (!channel.Send(EventOf(step)).ok()) std::exit(90);
  }
}

// Waits until `count` events are acknowledged.
void AwaitAck(Channel& channel, uint64_t count) {
  internal::ToWorker message;
  while (message.ack().count() < count) {
    const auto received = channel.Receive(message);
    if (!received.ok() || !*received) std::exit(91);
  }
}

// The reason of the next Stop.
uint64_t AwaitStop(Channel& channel) {
  internal::ToWorker message;
  do {
    const auto received = channel.Receive(message);
    if (!received.ok() || !*received) std::exit(91);
  } while (!message.has_stop());
  return static_cast<uint64_t>(message.stop().reason());
}

void SendRaw(const std::string& bytes) {
  if (send(kWorkerSocketFd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) std::exit(92);
}

[[noreturn]] void Sleep() {
  for (;;) pause();
}

void Finish(Channel& channel, uint64_t step) {
  if (!channel.Send(ResultOf(step)).ok()) std::exit(93);
}

// Prints what it was started with.
void Report() {
  for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // The directory's own descriptor.
    const auto target = std::filesystem::read_symlink(fd.path(), gone);
    if (!gone && target.string().find("/fd") == std::string::npos) {
      std::printf("fd %s\n", fd.path().filename().c_str());
    }
  }
  cpu_set_t cpus;
  sched_getaffinity(0, sizeof(cpus), &cpus);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &cpus)) std::printf("cpu %d\n", cpu);
  }
  std::printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
  rlimit limit{};
  getrlimit(RLIMIT_DATA, &limit);
  std::printf("limit %llu\n", static_cast<unsigned long long>(limit.rlim_cur));
  std::printf("own group %d\n", getpgrp() == getpid());
  std::printf("threads %s\n", std::getenv("OMP_NUM_THREADS"));
  std::fflush(stdout);
}

int Run() {
  Channel channel((UniqueFd(kWorkerSocketFd)));
  internal::ToWorker first;
  const auto received = channel.Receive(first);
  if (!received.ok() || !*received || !first.has_task()) return 94;

  const std::map<std::string, std::function<void()>> behaviors = {
      {"finish",
       [&] {
         SendEvents(channel, 3);
         AwaitAck(channel, 3);
         Finish(channel, 3);
       }},
      {"many events",
       [&] {
         SendEvents(channel, 5000);
         AwaitAck(channel, 5000);
         Finish(channel, 5000);
       }},
      {"end without reading", [&] { SendEvents(channel, 500); }},
      {"task fails",
       [&] {
         internal::ToServer message = ResultOf(7);
         message.mutable_result()->set_code(10);  // ABORTED
         message.mutable_result()->set_message("the loss is no longer finite");
         if (!channel.Send(message).ok()) std::exit(93);
       }},
      {"progress",
       [&] {
         internal::ToServer message;
         message.mutable_progress()->set_done(3);
         message.mutable_progress()->set_unit("bytes");
         if (!channel.Send(message).ok()) std::exit(93);
         Finish(channel, 0);
       }},
      {"heartbeats",
       [&] {
         internal::ToServer message;
         for (uint64_t step = 1; step <= 3; ++step) {
           message.mutable_heartbeat()->set_step(step);
           message.mutable_heartbeat()->set_waits_for(step == 2 ? "room" : "");
           if (!channel.Send(message).ok()) std::exit(93);
         }
         Finish(channel, 3);
       }},
      {"abort",
       [&] {
         std::fprintf(stderr, "about to \xff abort\nlast words");
         std::abort();
       }},
      {"exit 3", [] { std::exit(3); }},
      {"exit 0", [] {}},
      {"hang", [] { Sleep(); }},
      {"event and hang",
       [&] {
         SendEvents(channel, 1);
         Sleep();
       }},
      {"print and hang",
       [] {
         for (;;) std::puts("still printing");
       }},
      {"garbage",
       [] {
         SendRaw(std::string(64, '\xff'));
         Sleep();
       }},
      {"not a message",
       [] {
         SendRaw(std::string("\x03\0\0\0\xff\xff\xff", 7));
         Sleep();
       }},
      {"half a message", [] { SendRaw(std::string("\x10\0\0\0\x0a\x02", 6)); }},
      {"empty message",
       [] {
         SendRaw(std::string(4, '\0'));
         Sleep();
       }},
      {"event after the result",
       [&] {
         Finish(channel, 1);
         SendEvents(channel, 1);
         Sleep();
       }},
      {"close the socket",
       [] {
         shutdown(kWorkerSocketFd, SHUT_RDWR);
         Sleep();
       }},
      {"result and hang",
       [&] {
         Finish(channel, 5);
         Sleep();
       }},
      {"result and abort",
       [&] {
         Finish(channel, 5);
         std::abort();
       }},
      {"flood",
       [&] {
         for (int i = 0; i < 100'000; ++i) std::printf("line %d\n", i);
         std::fflush(stdout);
         Finish(channel, 1);
       }},
      {"await stop",
       [&] {
         internal::ToServer result = ResultOf(AwaitStop(channel));
         result.mutable_result()->set_stopped(true);
         if (!channel.Send(result).ok()) std::exit(93);
       }},
      {"await two stops",
       [&] {
         internal::ToServer heard;
         heard.mutable_heartbeat()->set_step(AwaitStop(channel));
         if (!channel.Send(heard).ok()) std::exit(93);
         internal::ToServer result = ResultOf(AwaitStop(channel));
         result.mutable_result()->set_stopped(true);
         if (!channel.Send(result).ok()) std::exit(93);
       }},
      {"await the end",
       [&] {
         internal::ToWorker message;
         const auto got = channel.Receive(message);
         std::exit(got.ok() && !*got ? 0 : 95);
       }},
      {"allocate",
       [&] {
         void* block = std::malloc(size_t{1} << 30);
         std::printf("allocated %d\n", block != nullptr);
         std::fflush(stdout);
         std::free(block);
         Finish(channel, 1);
       }},
      {"report",
       [&] {
         Report();
         Finish(channel, 1);
       }},
  };
  const auto behavior = behaviors.find(first.task().train().job());
  if (behavior == behaviors.end()) return 96;
  behavior->second();
  return 0;
}

}  // namespace
}  // namespace traind::server

int main() { return traind::server::Run(); }
