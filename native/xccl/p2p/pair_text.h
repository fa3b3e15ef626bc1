// How point-to-point errors name a peer and a message. Slow path only.
#pragma once

#include <string>

#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

inline Status pair_error(Code code, uint32_t rank, uint32_t event, const std::string& text) {
  return {code, "rank " + std::to_string(rank) + ", event " + std::to_string(event) + ": " + text};
}

/// Why a rank cannot be talked to any more.
inline Status pair_gone(const LocalRank& local, uint32_t rank, uint32_t event) {
  const Status why = local.explain_unlinked(rank);
  return pair_error(why.code(), rank, event, why.message());
}

}  // namespace switchyard::xccl
