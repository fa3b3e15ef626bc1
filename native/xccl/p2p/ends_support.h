// What the point-to-point tests share: two ends of a link on either provider, messages whose bytes tell who they are.
#pragma once

#include <cstring>

#include "xccl/messenger.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::testing {

inline constexpr RingShape kRing{8, 256};

inline CommunicatorConfig ring_config(const Folder& folder, uint32_t rank, uint64_t epoch = 1) {
  CommunicatorConfig config = config_of(folder, rank, epoch);
  config.exchange = {};
  config.ring = kRing;
  return config;
}

/// Whatever does not fit into a ring's field is read out of the sender's memory.
inline void pull_always(CommunicatorConfig& config) { config.pull_mode = PullMode::kAlways; }

/// Two linked ranks of this process (shm), or one rank linked to itself (self): then both ends are the same messenger.
struct Ends {
  enum class Provider { kSelf, kShm };

  explicit Ends(
      Provider provider, const RingShape& ring = kRing,
      const std::function<void(CommunicatorConfig&)>& configure = [](CommunicatorConfig&) {}) {
    const auto make = [&](uint32_t rank) {
      CommunicatorConfig config = ring_config(folder, rank);
      config.ring = ring;
      configure(config);
      return make_member(config);
    };
    a_member = b_member = make(0);
    if (provider == Provider::kSelf) return;
    b_member = make(1);
    CHECK(link_members(folder, *a_member, *b_member));
  }
  Messenger& a() const { return *a_member->messenger(); }
  Messenger& b() const { return *b_member->messenger(); }
  uint32_t a_rank() const { return a_member->rank(); }
  uint32_t b_rank() const { return b_member->rank(); }

  const Folder folder;
  Member a_member;
  Member b_member;
};

using Bytes = std::vector<std::byte>;

/// The bytes of message number `salt`.
inline Bytes message_bytes(uint64_t salt, size_t num_bytes) {
  Random random(salt);
  Bytes bytes(num_bytes);
  for (std::byte& value : bytes) value = static_cast<std::byte>(random.next());
  return bytes;
}

/// Receives one message and compares it.
inline bool receives(Messenger& to, uint32_t src, uint32_t event, const Bytes& expected,
                     std::chrono::milliseconds limit = 5s) {
  Bytes got(expected.size() + 3, std::byte{0xee});
  size_t num_bytes = 12345;
  if (!is_code(to.recv(src, event, got, &num_bytes, deadline_in(limit)), Code::kOk)) return false;
  const bool is_rest_whole = got[expected.size()] == std::byte{0xee} && got.back() == std::byte{0xee};
  got.resize(expected.size());
  return num_bytes == expected.size() && got == expected && is_rest_whole;
}

inline bool contains(const Status& status, const char* text) {
  return status.message().find(text) != std::string::npos;
}

}  // namespace switchyard::xccl::testing
