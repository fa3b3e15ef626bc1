// How errors name a rank. Slow path only.
#pragma once

#include <cstdint>
#include <string>

namespace switchyard::xccl {

inline std::string rank_text(uint32_t rank) { return "rank " + std::to_string(rank); }

}  // namespace switchyard::xccl
