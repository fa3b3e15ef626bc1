// What a probe of a link finds (the paper's link probing): is the peer well, behind with its work, or out of reach? Values of
// Communicator::probe().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace switchyard::xccl {

enum class ProbeState : uint8_t {
  kHealthy,    // answers, and nothing of this rank lies unread for long
  kSaturated,  // answers, but takes nothing of what lies unread: wait, or send less
  kDead,       // no answer in time, or the link is over: begin anew
};

struct ProbeReport {
  ProbeState state = ProbeState::kDead;
  Code code = Code::kOk;                   // for kDead: kTimeout when no answer came, kPeerDead when the link is over
  std::string reason;                      // for all but kHealthy
  std::chrono::nanoseconds round_trip{0};  // between the two brokers; 0 without an answer
  /// Of this rank: ring chunks that the peer has not taken, and A2E messages that it has not answered.
  uint32_t num_unread = 0;
  bool is_busy = false;         // the peer says that it works on something
  bool has_progressed = false;  // its progress word moved while it was watched: not hung, whatever lies unread
};

}  // namespace switchyard::xccl
