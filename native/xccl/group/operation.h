// The kinds of calls that members of a group make: published with each contribution, so that members in different calls notice.
#pragma once

#include <cstdint>

#include "xccl/telemetry/report.h"

namespace switchyard::xccl {

enum class Operation : uint16_t {
  kFence = 1,
  kBarrier = 2,
  kBroadcast = 3,
  kAllGather = 4,
  kReduceScatter = 5,
  kAllReduce = 6,
  kAllToAll = 7,
  kDispatch = 8,
  kCombine = 9,
};
inline constexpr uint16_t kNumOperations = 10;

/// What calls of a kind are counted as.
inline Primitive primitive_of(Operation operation) {
  constexpr Primitive kPrimitives[kNumOperations] = {
      Primitive::kFence,     Primitive::kFence,         Primitive::kBarrier,   Primitive::kBroadcast,
      Primitive::kAllGather, Primitive::kReduceScatter, Primitive::kAllReduce, Primitive::kAllToAll,
      Primitive::kDispatch,  Primitive::kCombine};
  return kPrimitives[static_cast<uint16_t>(operation)];
}

/// For texts; "unknown operation" for what a peer made up.
inline const char* operation_name(uint16_t operation) {
  constexpr const char* kNames[kNumOperations] = {nullptr,      "fence",          "barrier",    "broadcast",
                                                  "all-gather", "reduce-scatter", "all-reduce", "all-to-all",
                                                  "dispatch",   "combine"};
  return operation == 0 || operation >= kNumOperations ? "unknown operation" : kNames[operation];
}

}  // namespace switchyard::xccl
