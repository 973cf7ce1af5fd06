#include "client/cli/interrupt.h"

#include <utility>

namespace traind::client {

Interrupt::Interrupt(std::function<void()> tell)
    : tell_(std::move(tell)), thread_([this] {
        while (!over_.WaitForNotificationWithTimeout(kFrameTime)) {
          if (!signals_.interrupted()) continue;
          happened_.Notify();
          if (tell_) tell_();
          return;
        }
      }) {}

Interrupt::~Interrupt() {
  over_.Notify();
  thread_.join();
}

}  // namespace traind::client
