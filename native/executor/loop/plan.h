// Plans down, step events up (D3): the native twins of Plan and StepEvent in libs/native/src/native.ts, field by field.
// Plain data; made and read by addon/ and by tests.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "executor/blocks/expert_backend.h"
#include "kernels/sampling/sampling.h"

namespace switchyard::executor {

/// Drafts of a sequence that a step verifies at most.
inline constexpr int kMaxSpeculativeTokens = 4;

/// Blocks of another rank, claimed by the master (D1).
struct KvSource {
  uint32_t rank = 0;
  uint64_t epoch = 0;
  uint64_t region_offset = 0;
  uint64_t generation_offset = 0;
  uint64_t block_bytes = 0;
  uint32_t layout_version = 0;
  std::vector<int32_t> blocks;
  std::vector<uint64_t> generations;
  int num_tokens = 0;
};

struct SequenceSpec {
  uint64_t seq_id = 0;
  std::vector<int32_t> tokens;
  int num_prompt_tokens = 0;  // of tokens, 1 or more
  int num_computed = 0;
  std::vector<int32_t> blocks;
  std::optional<KvSource> source;
  SamplingParams sampling;
  int max_new_tokens = 1;
  std::vector<int32_t> stop_token_ids;
  bool hold = false;
  std::optional<TraceTag> trace;
};

struct BlockGrant {
  uint64_t seq_id = 0;
  std::vector<int32_t> blocks;
};

struct Plan {
  uint64_t master_epoch = 0;
  uint64_t plan_seq = 0;
  int max_prefill_tokens = 0;
  std::vector<SequenceSpec> add;
  std::vector<BlockGrant> grant;
  std::vector<uint64_t> remove;
  bool resume = false;
};

struct StepToken {
  uint64_t seq_id = 0;
  int position = 0;
  SampledToken token;
};

enum class FinishReason : uint8_t { kStop, kLength };

struct FinishedSequence {
  uint64_t seq_id = 0;
  FinishReason reason = FinishReason::kStop;
};

struct FailedSequence {
  uint64_t seq_id = 0;
  Status status;
};

struct StepFault {
  int32_t rank = -1;
  Status status;
};

struct StepTiming {
  int64_t start_unix_ns = 0;
  int64_t duration_ns = 0;
  int num_decode_rows = 0;
  int num_prefill_rows = 0;
  int64_t a2e_ns = 0;
  int64_t e2a_wait_ns = 0;
  int64_t pull_start_unix_ns = 0;
  int64_t pull_ns = 0;
  int64_t pull_bytes = 0;
  int num_drafts = 0;                                            // sequences whose drafts were verified
  int num_draft_tokens = 0;                                      // theirs together
  std::array<int, kMaxSpeculativeTokens> num_accepted_tokens{};  // by place in the draft
  std::vector<uint64_t> traced_seq_ids;
  // Calls [first_call, end_call) of the communicator are those of this step, its pulls among them (xccl::CallRange).
  uint64_t first_call = 0;
  uint64_t end_call = 0;
};

struct StepEvent {
  uint64_t master_epoch = 0;
  uint64_t applied_plan_seq = 0;
  uint64_t step = 0;
  std::vector<StepToken> tokens;
  std::vector<FinishedSequence> finished;
  std::vector<uint64_t> starved;
  std::vector<uint64_t> pulled;
  std::vector<FailedSequence> failed;
  std::optional<StepFault> fault;
  std::optional<StepTiming> timing;
};

}  // namespace switchyard::executor
