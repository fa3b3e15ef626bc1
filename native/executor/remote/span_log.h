// Gathers what this expert rank does for sampled requests into one span a (sender, step): a span a layer would be noise.
// Called by the expert server's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "xccl/api.h"

namespace switchyard::executor {

struct ExpertSpan {
  xccl::TraceRef trace;
  uint32_t from_rank = 0;
  uint64_t step = 0;
  int64_t start_unix_ns = 0;
  int64_t duration_ns = 0;
  int64_t compute_ns = 0;
  int num_layers = 0;
  int num_pairs = 0;
  xccl::CallRange calls;  // this rank's, from the first of these layers to the last, those for other senders among them
};

/// What answering one layer's messages took.
struct LayerWork {
  int64_t start_unix_ns;
  int64_t duration_ns;
  xccl::CallRange calls;
};

class SpanLog {
 public:
  explicit SpanLog(std::function<void(ExpertSpan)> on_span) : on_span_(std::move(on_span)) {}

  /// A message of a layer has been answered, with others maybe. Ends the sender's span of an earlier step.
  void add(const xccl::A2eView& view, const LayerWork& work);
  /// Ends the sender's span: its last layer, or nothing has come for a while.
  void end(uint32_t rank);
  void end_all();

 private:
  std::function<void(ExpertSpan)> on_span_;
  std::map<uint32_t, std::vector<ExpertSpan>> open_;  // by sender, one a trace
};

}  // namespace switchyard::executor
