// A rank of a test's own, without broker or peers: linked to itself, with its memory within reach.
#pragma once

#include "xccl/link/local_rank.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::testing {

/// `config` says what its memory has.
inline std::unique_ptr<LocalRank> make_own_rank(CommunicatorConfig config) {
  config.name = "own";
  config.epoch = 1;
  config.socket_path = "unused";
  std::unique_ptr<LocalRank> local;
  CHECK(LocalRank::create(config, &local).ok());
  local->explain_unlinked = [](uint32_t) { return Status(Code::kPeerDead, "unlinked"); };
  return local;
}

}  // namespace switchyard::xccl::testing
