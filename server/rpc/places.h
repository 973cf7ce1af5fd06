// Places for calls that stay for long: as many as there are, and no more. Thread-safe.
#pragma once

#include <atomic>
#include <memory>

namespace traind::server {

class Places {
 public:
  explicit Places(int most) : most_(most) {}

  // Given back by its destructor, which `this` outlives.
  class Place {
   public:
    explicit Place(Places* of) : of_(of) {}
    ~Place() { --of_->taken_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Places* const of_;
  };

  // Null: all are taken.
  std::unique_ptr<Place> Take() {
    int taken = taken_;
    do {
      if (taken >= most_) return nullptr;
    } while (!taken_.compare_exchange_weak(taken, taken + 1));
    return std::make_unique<Place>(this);
  }
  int taken() const { return taken_; }
  int most() const { return most_; }

 private:
  const int most_;
  std::atomic<int> taken_{0};
};

}  // namespace traind::server
