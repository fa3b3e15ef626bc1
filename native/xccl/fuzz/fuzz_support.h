// What XCCL's fuzz targets share: the input as numbers, two ranks of one process linked by shm fabrics without a broker, and
// patches to shared memory. Built by `node native/build.mjs --variant fuzz` with clang alone (native/test/fuzz.mjs).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "xccl/link/local_rank.h"
#include "xccl/transport/providers.h"
#include "xccl/wait/wait_on.h"

/// A broken promise: ends the run with the input that broke it.
#define FUZZ_CHECK(condition)                                                                 \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      std::fprintf(stderr, "%s:%d: FUZZ_CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                           \
    }                                                                                         \
  } while (false)

namespace switchyard::xccl::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(data, size) {}

  bool is_empty() const { return left_.empty(); }
  /// Zeroes follow when the input is used up.
  template <class T>
  T take() {
    T value{};
    const size_t num_bytes = std::min(sizeof(T), left_.size());
    std::memcpy(&value, left_.data(), num_bytes);
    left_ = left_.subspan(num_bytes);
    return value;
  }
  /// XORs what is left over a valid object: an input of zeroes leaves it valid.
  template <class T>
  void spoil(T* object) {
    auto* bytes = reinterpret_cast<uint8_t*>(object);
    const size_t num_bytes = std::min(sizeof(T), left_.size());
    for (size_t i = 0; i < num_bytes; ++i) bytes[i] ^= left_[i];
    left_ = left_.subspan(num_bytes);
  }

 private:
  std::span<const uint8_t> left_;
};

/// Stores four bytes of the input somewhere in `area`, at a multiple of four.
inline void patch(Input& input, std::byte* area, uint64_t num_bytes) {
  const uint64_t at = input.take<uint16_t>() * 4ull % (num_bytes - 3);
  const auto value = input.take<uint32_t>();
  std::memcpy(area + at / 4 * 4, &value, sizeof(value));
}

/// Ranks 0 and 1 of one communicator, linked as a broker would; rank 2 is known to nobody.
class Pair {
 public:
  explicit Pair(const CommunicatorConfig& config) {
    for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      CommunicatorConfig own = config;
      own.rank = rank;
      FUZZ_CHECK(LocalRank::create(own, &ranks_[rank]).ok());
      ranks_[rank]->explain_unlinked = [](uint32_t) { return Status(Code::kPeerDead, "unlinked"); };
      ranks_[rank]->report_corrupt = [this, rank](uint32_t peer, uint64_t, const std::string&) {
        num_reports += 1;
        ranks_[rank]->peers().retract(peer);
      };
    }
    link(0, 1);
    link(1, 0);
  }

  LocalRank& operator[](uint32_t rank) { return *ranks_[rank]; }
  uint32_t num_reports = 0;

 private:
  void link(uint32_t rank, uint32_t peer) {
    LocalRank& to = *ranks_[peer];
    fabrics_[rank] = shm_fabric_create({to.ctrl().span(), to.app().span(), to.zc().span()});
    ranks_[rank]->peers().publish(peer, {fabrics_[rank].get(), to.config().epoch, to.app().size(), to.layout()});
  }

  std::array<std::unique_ptr<LocalRank>, 2> ranks_;
  std::array<std::unique_ptr<Fabric>, 2> fabrics_;
};

inline CommunicatorConfig small_config() {
  CommunicatorConfig config;
  config.name = "fuzz";
  config.epoch = 1;
  config.socket_path = "unused";
  config.app_bytes = 4096;
  config.zc_bytes = 4096;
  config.max_ranks = 4;
  config.wait_policy = WaitPolicy::kFutex;
  return config;
}

/// The deadline of every wait here: what is not there already does not come.
inline Deadline at_once() { return kOnlyLook; }

/// A failed call says why, and by one of the codes that a caller is told to expect.
inline void check_fault(const Status& status, std::initializer_list<Code> expected) {
  if (status.ok()) return;
  FUZZ_CHECK(!status.message().empty());
  bool is_expected = false;
  for (const Code code : expected) is_expected = is_expected || status.code() == code;
  if (!is_expected) std::fprintf(stderr, "code %d: %s\n", static_cast<int>(status.code()), status.message().c_str());
  FUZZ_CHECK(is_expected);
}

}  // namespace switchyard::xccl::fuzz
