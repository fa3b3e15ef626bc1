// What XCCL's tests share: communicators in a private folder, linked pairs, a seeded generator.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "test/test.h"
#include "xccl/api.h"
#include "xccl/process_support.h"

namespace switchyard::xccl::testing {

using namespace std::chrono_literals;
using Member = std::shared_ptr<Communicator>;

inline constexpr ExchangeShape kShape{8, 48, 4, 6};

/// A private folder that must be empty at the end: close() unlinks the sockets.
class Folder : public PrivateFolder {
 public:
  ~Folder() { CHECK(rmdir(path().c_str()) == 0); }
};

inline CommunicatorConfig config_of(const Folder& folder, uint32_t rank, uint64_t epoch = 1) {
  CommunicatorConfig config;
  config.name = "test";
  config.rank = rank;
  config.epoch = epoch;
  config.socket_path = folder.socket(rank, epoch);
  config.nonce = {1, 2, 3};
  config.compatibility = "fp32/test";
  config.app_bytes = 100'000;
  config.zc_bytes = 5'000;
  config.max_ranks = 8;
  config.exchange = kShape;
  return config;
}

/// Null after a failed CHECK.
inline Member make_member(CommunicatorConfig config) {
  Member made;
  const Status status = Communicator::create(std::move(config), &made);
  if (!status.ok()) std::printf("create: %s\n", status.message().c_str());
  CHECK(status.ok());
  return made;
}

inline bool is_code(const Status& status, Code code) {
  if (status.code() != code)
    std::printf("got code %d (%s) instead of %d\n", static_cast<int>(status.code()), status.message().c_str(),
                static_cast<int>(code));
  return status.code() == code;
}

inline void expect_each_other(const Folder& folder, Communicator& a, Communicator& b) {
  CHECK(a.expect_peer(peer_of(folder, b.rank(), b.epoch())).ok());
  CHECK(b.expect_peer(peer_of(folder, a.rank(), a.epoch())).ok());
}

inline bool link_members(const Folder& folder, Communicator& a, Communicator& b) {
  expect_each_other(folder, a, b);
  return is_code(a.wait_linked(b.rank(), b.epoch(), deadline_in(5s)), Code::kOk) &&
         is_code(b.wait_linked(a.rank(), a.epoch(), deadline_in(5s)), Code::kOk);
}

/// splitmix64: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(next() % limit); }

 private:
  uint64_t state_;
};

inline double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace switchyard::xccl::testing
