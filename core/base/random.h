// A counter-based random number generator: the numbers are a pure function of (seed, purpose, stream, step, example,
// index), so the same job draws the same bits however often it was stopped and resumed, and in any order of threads.
// The function is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// Thread-safe: everything is a pure function of its arguments.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/base/vectorize.h"

namespace traind::core {

// FNV-1a, of 32 bits, of a name: the stream of a layer or tensor, which does not move when others come or go.
constexpr uint32_t StreamOf(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

// What numbers are drawn for; two purposes draw independent ones. A component states its own in its file. The number of
// a purpose is part of the checkpoint contract and never changes.
class Purpose {
 public:
  // The engine's own.
  static const Purpose kInitialize;
  static const Purpose kShuffle;
  static const Purpose kProbeInput;
  static const Purpose kAugment;
  static const Purpose kDataInitialization;

  // Of a component, by a name that no other component uses. The number is a hash with the highest bit set, so it is
  // none of those below.
  explicit constexpr Purpose(std::string_view name) : number_(StreamOf(name) | 0x80000000u) {}
  // With the small number that it had before purposes were named; no new purpose gets one.
  static constexpr Purpose Numbered(uint16_t number) { return Purpose(uint32_t{number}); }

  constexpr uint32_t number() const { return number_; }
  bool operator==(const Purpose&) const = default;

 private:
  explicit constexpr Purpose(uint32_t number) : number_(number) {}

  uint32_t number_;
};

inline constexpr Purpose Purpose::kInitialize = Numbered(1);
inline constexpr Purpose Purpose::kShuffle = Numbered(2);
inline constexpr Purpose Purpose::kProbeInput = Numbered(4);
inline constexpr Purpose Purpose::kAugment = Numbered(5);
inline constexpr Purpose Purpose::kDataInitialization = Numbered(6);

// 128 random bits for a 128-bit counter and a 64-bit key. The constants are the paper's.
inline std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// Uniform in [0, 1), with the 24 bits that a float holds exactly.
inline float ToUnit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

// The numbers of one (seed, purpose, stream): `stream` tells layers or tensors apart, by StreamOf(name).
class RandomStream {
 public:
  // The factors are the first two primes of xxHash, which spread small numbers over all bits.
  RandomStream(uint64_t seed, Purpose purpose, uint32_t stream)
      : key0_(static_cast<uint32_t>(seed) ^ (purpose.number() * 0x9E3779B1u)),
        key1_(static_cast<uint32_t>(seed >> 32) ^ (stream * 0x85EBCA77u + purpose.number())) {}

  // Four independent 32-bit words. `index` counts blocks within the example.
  std::array<uint32_t, 4> Block(uint64_t step, uint32_t example, uint32_t index) const {
    return Philox({index, example, static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32)}, key0_, key1_);
  }

  // The words of kLanes consecutive blocks, word w of block first + i in words[w][i]: for loops compiled with
  // TRAIND_VECTORIZED, which draw many times faster so.
  template <int kLanes>
  TRAIND_INLINE void Blocks(uint64_t step, uint32_t example, uint32_t first, uint32_t (&words)[4][kLanes]) const {
    for (int i = 0; i < kLanes; ++i) {
      words[0][i] = first + static_cast<uint32_t>(i);
      words[1][i] = example;
      words[2][i] = static_cast<uint32_t>(step);
      words[3][i] = static_cast<uint32_t>(step >> 32);
    }
    uint32_t key0 = key0_, key1 = key1_;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < kLanes; ++i) {
        const uint64_t product0 = uint64_t{0xD2511F53} * words[0][i];
        const uint64_t product1 = uint64_t{0xCD9E8D57} * words[2][i];
        words[0][i] = static_cast<uint32_t>(product1 >> 32) ^ words[1][i] ^ key0;
        words[1][i] = static_cast<uint32_t>(product1);
        words[2][i] = static_cast<uint32_t>(product0 >> 32) ^ words[3][i] ^ key1;
        words[3][i] = static_cast<uint32_t>(product0);
      }
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
  }

 private:
  uint32_t key0_;
  uint32_t key1_;
};

// Two independent N(0, 1) numbers from two words (Box & Muller 1958).
inline std::array<float, 2> ToNormal(uint32_t a, uint32_t b) {
  const float u = (static_cast<float>(a >> 8) + 1.0f) * 0x1p-24f;  // (0, 1]
  const float radius = std::sqrt(-2.0f * std::log(u));
  const float angle = 6.28318530717958648f * ToUnit(b);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace traind::core
