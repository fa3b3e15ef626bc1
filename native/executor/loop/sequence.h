// A sequence on this rank: its tokens, how many of their KV rows stand in the cache, and its block table.
// Owned by the core; changed only when a plan is applied, when a pull ends and when a step commits.
#pragma once

#include <algorithm>

#include "executor/loop/plan.h"

namespace switchyard::executor {

struct Sequence {
  SequenceSpec spec;  // tokens grow as the sequence generates; num_computed and blocks are the live values
  int num_generated = 0;
  int num_pulled_blocks = 0;  // of spec.source
  bool has_ended = false;     // finished or failed in the step at hand, at whose end it goes unless it is held
  bool is_held = false;       // finished; keeps its blocks until removed
  /// Guesses of the tokens after the last one, for the next step to verify. May be dropped at any time.
  std::vector<int32_t> drafts;
  bool lacks_mtp_rows = false;  // a step under load left them out: no more drafts

  bool is_pulling() const { return spec.source.has_value(); }
  bool is_running() const { return !has_ended && !is_pulling(); }
  int num_tokens() const { return static_cast<int>(spec.tokens.size()); }
  int num_pending() const { return num_tokens() - spec.num_computed; }
  bool is_decoding() const { return is_running() && num_pending() == 1; }
  /// Tokens it may still generate.
  int num_left(int max_positions) const {
    return std::min(spec.max_new_tokens - num_generated, max_positions - num_tokens());
  }
  /// Rows from num_computed on for which a block has been granted.
  int num_granted_rows(int block_tokens) const {
    return static_cast<int>(spec.blocks.size()) * block_tokens - spec.num_computed;
  }
};

/// INVALID_ARGUMENT for what is wrong with a sequence whatever else the rank holds.
struct SequenceLimits {
  int vocab_size;
  int max_positions;
  int num_blocks;
  int block_tokens;
};
Status check_sequence(const SequenceSpec& spec, const SequenceLimits& limits);

/// INVALID_ARGUMENT for block ids outside the pool.
Status check_blocks(const std::vector<int32_t>& blocks, const SequenceLimits& limits);

}  // namespace switchyard::executor
