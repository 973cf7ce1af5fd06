// Ctrl-C for a thread that waits for the server. One at a time, as Signals; for the main thread.
#pragma once

#include <functional>
#include <thread>

#include "absl/synchronization/notification.h"
#include "client/cli/terminal.h"

namespace traind::client {

class Interrupt {
 public:
  // Calls `tell` (may be null) once, in a thread of its own, when a signal of Signals::interrupted comes.
  explicit Interrupt(std::function<void()> tell = nullptr);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool happened() const { return happened_.HasBeenNotified(); }
  const absl::Notification* notification() const { return &happened_; }

 private:
  Signals signals_;
  const std::function<void()> tell_;
  absl::Notification happened_;
  absl::Notification over_;
  std::thread thread_;
};

}  // namespace traind::client
