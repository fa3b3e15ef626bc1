#include "executor/loop/drafter.h"

#include <algorithm>
#include <cstring>

namespace switchyard::executor {

Drafter::Drafter(const DrafterParts& parts, int max_rows)
    : parts_(parts), hidden_size_(parts.model->spec().hidden_size), hidden_(max_rows * hidden_size_) {
  rows_.reserve(max_rows);
}

void Drafter::draft(std::span<const DraftRun> runs) {
  rows_.clear();
  drafting_.clear();
  for (const DraftRun& run : runs) add_rows(run, run.num_rows - (run.num_drafts > 0 ? 1 : 0));
  if (!fill_cache().ok()) return;
  rows_.clear();
  for (const DraftRun& run : runs) {
    if (run.num_drafts == 0) continue;
    add_rows({run.sequence, run.stream + (run.num_rows - 1) * hidden_size_, 1, run.num_drafts}, 1);
    drafting_.push_back(run);
  }
  while (!drafting_.empty()) {
    if (!forward().ok()) return;
    sample_front();
    advance_front();
  }
}

/// The first rows of a run. Row i of the MTP layer takes the main model's state at position i and token i + 1, which the sequence has by now.
void Drafter::add_rows(const DraftRun& run, int num_rows) {
  const SequenceSpec& spec = run.sequence->spec;
  float* hidden = &hidden_[rows_.size() * hidden_size_];
  parts_.model->final_norm(parts_.workspace->pool, run.stream, hidden, num_rows);
  const int first = spec.num_computed - run.num_rows;
  for (int position = first; position < first + num_rows; ++position)
    rows_.push_back({spec.tokens[position + 1], position, spec.blocks.data()});
}

/// The cache entries of rows_, from which nothing is drafted: the rest of the layer would be for nothing.
Status Drafter::fill_cache() {
  return for_passes([&](std::span<const BatchRow> rows, int first) {
    parts_.model->fill_mtp_cache(rows, &hidden_[first * hidden_size_], kv_layer(), parts_.workspace);
    return Status{};
  });
}

/// The layer over rows_, one for each of drafting_; its states into hidden_, in place of what it took.
Status Drafter::forward() {
  return for_passes([&](std::span<const BatchRow> rows, int first) {
    float* hidden = &hidden_[first * hidden_size_];
    SWITCHYARD_RETURN_IF_ERROR(parts_.model->forward_mtp(rows, hidden, kv_layer(), parts_.experts, parts_.workspace));
    std::memcpy(hidden, parts_.workspace->normed.data(), rows.size() * hidden_size_ * sizeof(float));
    return Status{};
  });
}

KvLayerView Drafter::kv_layer() const { return parts_.kv->layer(parts_.model->spec().num_layers); }

/// body(rows, first) for rows_ in passes as large as the workspace.
template <typename Body>
Status Drafter::for_passes(Body body) const {
  const int num_rows = static_cast<int>(rows_.size());
  const int most = parts_.workspace->max_tokens;
  for (int first = 0; first < num_rows; first += most) {
    const int count = std::min(num_rows - first, most);
    SWITCHYARD_RETURN_IF_ERROR(body(std::span<const BatchRow>(rows_).subspan(first, count), first));
  }
  return {};
}

/// Another draft for each of drafting_; a sequence whose logits are not finite gets no more.
void Drafter::sample_front() {
  sample_rows_.clear();
  for (const DraftRun& run : drafting_) {
    const int position = run.sequence->num_tokens() + static_cast<int>(run.sequence->drafts.size());
    sample_rows_.push_back({run.sequence, position, true});
  }
  parts_.sampler->sample(
      sample_rows_,
      [&](int first, int count, float* logits) {
        parts_.model->mtp_head(parts_.workspace->pool, &hidden_[first * hidden_size_], logits, count);
      },
      &sampled_);
  for (size_t i = 0; i < drafting_.size(); ++i) {
    if (sampled_[i].status.ok()) drafting_[i].sequence->drafts.push_back(sampled_[i].token.token_id);
  }
}

/// The rows of those that want one more: their draft, after the layer's own hidden state in place of the main model's.
void Drafter::advance_front() {
  rows_.clear();
  size_t kept = 0;
  for (size_t i = 0; i < drafting_.size(); ++i) {
    const DraftRun run = drafting_[i];
    const SequenceSpec& spec = run.sequence->spec;
    const int num_drafted = static_cast<int>(run.sequence->drafts.size());
    if (!sampled_[i].status.ok() || num_drafted == run.num_drafts) continue;
    if (kept != i) std::memcpy(&hidden_[kept * hidden_size_], &hidden_[i * hidden_size_], hidden_size_ * sizeof(float));
    rows_.push_back({run.sequence->drafts.back(), spec.num_computed + num_drafted - 1, spec.blocks.data()});
    drafting_[kept++] = run;
  }
  drafting_.resize(kept);
}

}  // namespace switchyard::executor
