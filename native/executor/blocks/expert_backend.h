// Where routed experts are computed, and the FFNs of dense models, each of which counts as one expert that every token visits
// (ModelSpec::num_ffn_units): the one interface behind the FFN block. Implementations: LocalExperts, RemoteExperts (A2E/E2A).
// Results are the same bits wherever they come from (D2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace switchyard::executor {

/// The rows of one layer of one forward pass. A row, there and back, has ModelSpec::expert_row_bytes.
struct ExpertBatch {
  int layer;
  const std::byte* rows;  // [num_rows]; must stay until finish
  int num_rows;
  const int32_t* expert_ids;  // [num_rows][top_k], gate order
};

/// A sampled request with rows in this pass.
struct TraceTag {
  uint8_t trace_id[16];
  uint8_t span_id[8];
};

/// What a step spent on exchanging, in ns.
struct ExchangeTimes {
  int64_t send_ns = 0;
  int64_t wait_ns = 0;
};

class ExpertBackend {
 public:
  virtual ~ExpertBackend() = default;

  /// Before the first layer of a forward pass; `pass` ascends over the life of the executor, rolled-back passes included.
  virtual void begin_pass(uint64_t pass, std::span<const TraceTag> traces) = 0;
  /// Starts a layer; the caller may do other work before finish.
  virtual Status begin(const ExpertBatch& batch) = 0;
  /// Ends it: where the unweighted outputs lie, [num_rows][top_k], until the next begin: in `room`, which has place for as many rows, or
  /// in the backend's own memory.
  virtual Status finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) = 0;
  /// The rank that the last failure blames, or -1.
  virtual int32_t failed_rank() const = 0;
  /// Times since the last call.
  virtual ExchangeTimes take_times() = 0;
};

}  // namespace switchyard::executor
