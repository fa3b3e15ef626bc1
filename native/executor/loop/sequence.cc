#include "executor/loop/sequence.h"

#include <algorithm>

namespace switchyard::executor {
namespace {

Status invalid(const SequenceSpec& spec, const std::string& what) {
  return {Code::kInvalidArgument, "sequence " + std::to_string(spec.seq_id) + ": " + what};
}

int blocks_for(int num_tokens, int block_tokens) { return (num_tokens + block_tokens - 1) / block_tokens; }

Status check_source(const SequenceSpec& spec, const SequenceLimits& limits) {
  const KvSource& source = *spec.source;
  if (source.blocks.size() != source.generations.size())
    return invalid(spec, "source.blocks and source.generations differ in length");
  if (source.num_tokens != spec.num_computed) return invalid(spec, "source.numTokens must equal numComputed");
  if (static_cast<int>(source.blocks.size()) != blocks_for(source.num_tokens, limits.block_tokens)) {
    return invalid(spec, "source.blocks must hold exactly numTokens");
  }
  for (const int32_t block : source.blocks) {
    if (block < 0) return invalid(spec, "source.blocks holds a negative id");
  }
  return {};
}

}  // namespace

Status check_blocks(const std::vector<int32_t>& blocks, const SequenceLimits& limits) {
  for (const int32_t block : blocks) {
    if (block < 0 || block >= limits.num_blocks) {
      return {Code::kInvalidArgument,
              "block " + std::to_string(block) + " is outside the pool of " + std::to_string(limits.num_blocks)};
    }
  }
  return {};
}

Status check_sequence(const SequenceSpec& spec, const SequenceLimits& limits) {
  const int num_tokens = static_cast<int>(spec.tokens.size());
  if (num_tokens < 1 || num_tokens >= limits.max_positions) {
    return invalid(spec, "tokens must hold 1 to " + std::to_string(limits.max_positions - 1) + " ids, it has " +
                             std::to_string(num_tokens));
  }
  const auto in_vocabulary = [&](int32_t token) { return token >= 0 && token < limits.vocab_size; };
  if (!std::all_of(spec.tokens.begin(), spec.tokens.end(), in_vocabulary))
    return invalid(spec, "tokens holds an id outside the vocabulary");
  if (spec.num_prompt_tokens < 1 || spec.num_prompt_tokens > num_tokens)
    return invalid(spec, "numPromptTokens must be at least 1 and at most the number of tokens");
  if (spec.num_computed < 0 || spec.num_computed >= num_tokens)
    return invalid(spec, "numComputed must lie below the number of tokens");
  if (spec.max_new_tokens < 1) return invalid(spec, "maxNewTokens must be at least 1");
  SWITCHYARD_RETURN_IF_ERROR(check_blocks(spec.blocks, limits));
  if (static_cast<int>(spec.blocks.size()) < blocks_for(spec.num_computed, limits.block_tokens)) {
    return invalid(spec, "blocks do not cover numComputed");
  }
  if (const Status status = check_sampling_params(spec.sampling); !status.ok()) return invalid(spec, status.message());
  return spec.source ? check_source(spec, limits) : Status{};
}

}  // namespace switchyard::executor
