// Who sends what in the loop and A2E cases: tokens of a batch of 8 dealt to the attention ranks. Each token visits one expert on each
// of up to four expert ranks, so its row goes out and comes back once a rank. Fixed, so that every rank knows what will come.
#pragma once

#include <algorithm>
#include <vector>

#include "xccl/api.h"
#include "xccl/bench/loop_work.h"

namespace switchyard::xccl::bench {

inline constexpr uint32_t kLoopVisitsMax = 4;
inline constexpr uint32_t kLoopLocalExperts = 8;
inline constexpr uint32_t kLoopRowBytes = kLoopHidden * sizeof(float);

/// Experts that a token visits, each on a rank of its own.
inline uint32_t loop_num_visits(uint32_t num_experts) { return std::min(num_experts, kLoopVisitsMax); }

/// The lists of one part.
struct LoopPart {
  uint32_t dest = 0;
  std::vector<uint32_t> counts;
  std::vector<uint32_t> pairs;
  std::vector<uint32_t> rows;
};

/// One attention rank's part of the batch, or one micro-batch of it.
struct LoopBatch {
  uint32_t num_tokens = 0;
  std::vector<LoopPart> lists;
  std::vector<A2ePart> parts;
};

/// Tokens [first, end) of the batch, to expert ranks first_expert .. first_expert + num_experts.
inline LoopBatch make_loop_batch(uint32_t first, uint32_t end, uint32_t first_expert, uint32_t num_experts) {
  LoopBatch batch;
  batch.num_tokens = end - first;
  for (uint32_t e = 0; e < num_experts; ++e) {
    LoopPart part{first_expert + e, std::vector<uint32_t>(kLoopLocalExperts), {}, {}};
    for (uint32_t local = 0; local < kLoopLocalExperts; ++local) {
      for (uint32_t token = first; token < end; ++token) {
        for (uint32_t visit = 0; visit < loop_num_visits(num_experts); ++visit) {
          if ((token + visit) % num_experts != e || (token * 3 + visit) % kLoopLocalExperts != local) continue;
          const auto at = std::find(part.rows.begin(), part.rows.end(), token - first);
          part.pairs.push_back(static_cast<uint32_t>(at - part.rows.begin()));
          part.counts[local] += 1;
          if (at == part.rows.end()) part.rows.push_back(token - first);
        }
      }
    }
    if (!part.rows.empty()) batch.lists.push_back(std::move(part));
  }
  for (const LoopPart& part : batch.lists) batch.parts.push_back({part.dest, part.counts, part.pairs, part.rows});
  return batch;
}

/// The first of the tokens that part `idx` of `num_parts` gets out of [first, end), as evenly as it goes.
inline uint32_t loop_share(uint32_t first, uint32_t end, uint32_t idx, uint32_t num_parts) {
  const uint32_t num_tokens = end - first;
  return first + idx * (num_tokens / num_parts) + std::min(idx, num_tokens % num_parts);
}

}  // namespace switchyard::xccl::bench
