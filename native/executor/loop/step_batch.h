// Which rows the next step computes: decode rows of all sequences first, each with those of its drafts, then prefill rows up to the plan's
// budget, in the order the sequences came. Pure: reads sequences and changes nothing.
#pragma once

#include <memory>
#include <vector>

#include "executor/blocks/batch.h"
#include "executor/loop/sequence.h"

namespace switchyard::executor {

/// Consecutive rows of one sequence.
struct Segment {
  Sequence* sequence;
  int first_row;
  int num_rows;
  int num_samples;  // its last rows, which give a token each: the sequence's last token and its drafts; 0 while there are more to come
};

struct StepBatch {
  std::vector<BatchRow> rows;
  std::vector<Segment> segments;
  std::vector<uint64_t> starved;
  size_t next_turn = 0;  // the turn after this batch
  int num_decode_rows = 0;
  int num_prefill_rows = 0;
};

struct BatchLimits {
  int max_rows;
  int max_prefill_rows;
  int block_tokens;
};

/// Rows of decoding sequences up to which steps draft: where more sequences decode, their rows alone make good use of the weights.
inline constexpr int kDraftingRows = 16;

/// Drafts that each of so many decoding sequences may have in a step: the rows are divided evenly, so that the more sequences there are the
/// fewer drafts each has.
int drafts_per_sequence(int num_decoding, int max_rows);

using SequenceList = std::vector<std::unique_ptr<Sequence>>;

/// Those that want one token's row in the next step.
int count_decoding(const SequenceList& sequences);

/// `turn`: index of the sequence that is asked first for a decode row; batch->next_turn differs when not all fit.
void build_step_batch(const SequenceList& sequences, const BatchLimits& limits, size_t turn, StepBatch* batch);

}  // namespace switchyard::executor
