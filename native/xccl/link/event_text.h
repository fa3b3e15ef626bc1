// How errors name a peer and an event. Slow path only.
#pragma once

#include <string>

#include "xccl/link/rank_text.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline std::string event_text(const EventId& event) {
  return "step " + std::to_string(event.step) + " layer " + std::to_string(event.layer) + " micro-batch " +
         std::to_string(event.micro_batch);
}

inline Status rank_error(Code code, uint32_t rank, const EventId& event, const std::string& text) {
  return {code, rank_text(rank) + ", " + event_text(event) + ": " + text};
}

}  // namespace switchyard::xccl
