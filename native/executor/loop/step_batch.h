// Which rows the next step computes: decode rows of all sequences first, then prefill rows up to the plan's budget, in the order the
// sequences came. Pure: reads sequences and changes nothing.
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
  bool samples;  // its last row is the sequence's last token
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

using SequenceList = std::vector<std::unique_ptr<Sequence>>;

/// `turn`: index of the sequence that is asked first for a decode row; batch->next_turn differs when not all fit.
void build_step_batch(const SequenceList& sequences, const BatchLimits& limits, size_t turn, StepBatch* batch);

}  // namespace switchyard::executor
