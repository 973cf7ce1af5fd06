#include "client/clock.h"

#include "absl/time/clock.h"

namespace traind::client {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  void Sleep(absl::Duration duration, const absl::Notification* interrupt) override {
    if (interrupt != nullptr) {
      interrupt->WaitForNotificationWithTimeout(duration);
    } else {
      absl::SleepFor(duration);
    }
  }
};

}  // namespace

Clock* Clock::Real() {
  static RealClock clock;
  return &clock;
}

}  // namespace traind::client
