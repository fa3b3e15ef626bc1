#include "executor/loop/step_batch.h"

#include <algorithm>

namespace switchyard::executor {
namespace {

/// num_drafts > 0 only where num_rows are all that is pending.
void add_segment(Sequence* sequence, int num_rows, int num_drafts, StepBatch* batch) {
  const SequenceSpec& spec = sequence->spec;
  const int num_samples = num_rows == sequence->num_pending() ? 1 + num_drafts : 0;
  batch->segments.push_back({sequence, static_cast<int>(batch->rows.size()), num_rows + num_drafts, num_samples});
  for (int i = 0; i < num_rows + num_drafts; ++i) {
    const int position = spec.num_computed + i;
    const int32_t token = i < num_rows ? spec.tokens[position] : sequence->drafts[i - num_rows];
    batch->rows.push_back({token, position, spec.blocks.data(), position < spec.num_prompt_tokens});
  }
}

void add_decode_rows(const SequenceList& sequences, const BatchLimits& limits, size_t turn, StepBatch* batch) {
  const size_t count = sequences.size();
  const size_t start = count == 0 ? 0 : turn % count;
  const int num_drafts_each = drafts_per_sequence(count_decoding(sequences), limits.max_rows);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = (start + i) % count;
    Sequence* sequence = sequences[at].get();
    if (!sequence->is_decoding()) continue;
    if (sequence->num_granted_rows(limits.block_tokens) < 1) {
      batch->starved.push_back(sequence->spec.seq_id);
    } else if (static_cast<int>(batch->rows.size()) < limits.max_rows) {
      const int num_drafts = std::min(num_drafts_each, static_cast<int>(sequence->drafts.size()));
      add_segment(sequence, 1, num_drafts, batch);
      batch->num_decode_rows += 1 + num_drafts;
    } else {
      batch->next_turn = at;
      return;
    }
  }
}

void add_prefill_rows(const SequenceList& sequences, const BatchLimits& limits, StepBatch* batch) {
  int budget = std::min(limits.max_prefill_rows, limits.max_rows - static_cast<int>(batch->rows.size()));
  for (const auto& sequence : sequences) {
    if (!sequence->is_running() || sequence->num_pending() < 2) continue;
    const int granted = sequence->num_granted_rows(limits.block_tokens);
    if (granted < 1) {
      batch->starved.push_back(sequence->spec.seq_id);
      continue;
    }
    const int num_rows = std::min({sequence->num_pending(), granted, budget});
    if (num_rows < 1) continue;
    add_segment(sequence.get(), num_rows, 0, batch);
    batch->num_prefill_rows += num_rows;
    budget -= num_rows;
  }
}

}  // namespace

int count_decoding(const SequenceList& sequences) {
  return static_cast<int>(
      std::count_if(sequences.begin(), sequences.end(), [](const auto& sequence) { return sequence->is_decoding(); }));
}

int drafts_per_sequence(int num_decoding, int max_rows) {
  return num_decoding == 0 ? 0 : std::max(0, std::min(kDraftingRows, max_rows) / num_decoding - 1);
}

void build_step_batch(const SequenceList& sequences, const BatchLimits& limits, size_t turn, StepBatch* batch) {
  batch->rows.clear();
  batch->segments.clear();
  batch->starved.clear();
  batch->next_turn = turn;
  batch->num_decode_rows = 0;
  batch->num_prefill_rows = 0;
  add_decode_rows(sequences, limits, turn, batch);
  add_prefill_rows(sequences, limits, batch);
}

}  // namespace switchyard::executor
