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
  front_rows_.clear();
  for (const DraftRun& run : runs) add_rows(run);
  if (rows_.empty() || !forward().ok()) return;
  while (!drafting_.empty()) {
    sample_front();
    advance_front();
    if (!drafting_.empty() && !forward().ok()) return;
  }
}

/// Row i of the MTP layer takes the main model's state at position i and token i + 1, which the sequence has by now.
void Drafter::add_rows(const DraftRun& run) {
  const SequenceSpec& spec = run.sequence->spec;
  float* hidden = &hidden_[rows_.size() * hidden_size_];
  parts_.model->final_norm(parts_.workspace->pool, run.stream, hidden, run.num_rows);
  const int first = spec.num_computed - run.num_rows;
  for (int position = first; position < spec.num_computed; ++position)
    rows_.push_back({spec.tokens[position + 1], position, spec.blocks.data()});
  if (run.num_drafts == 0) return;
  drafting_.push_back(run);
  front_rows_.push_back(static_cast<int>(rows_.size()) - 1);
}

/// The layer over rows_ and hidden_, in passes as large as the workspace; keeps what front_rows_ give.
Status Drafter::forward() {
  Workspace* ws = parts_.workspace;
  const KvLayerView kv = parts_.kv->layer(parts_.model->spec().num_layers);
  front_.resize(drafting_.size() * hidden_size_);
  const int num_rows = static_cast<int>(rows_.size());
  size_t front = 0;
  for (int first = 0; first < num_rows; first += ws->max_tokens) {
    const int end = std::min(num_rows, first + ws->max_tokens);
    const auto rows = std::span<const BatchRow>(rows_).subspan(first, end - first);
    SWITCHYARD_RETURN_IF_ERROR(parts_.model->forward_mtp(rows, &hidden_[first * hidden_size_], kv, parts_.experts, ws));
    for (; front < front_rows_.size() && front_rows_[front] < end; ++front) {
      const float* row = &ws->normed[(front_rows_[front] - first) * hidden_size_];
      std::memcpy(&front_[front * hidden_size_], row, hidden_size_ * sizeof(float));
    }
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
        parts_.model->mtp_head(parts_.workspace->pool, &front_[first * hidden_size_], logits, count);
      },
      &sampled_);
  for (size_t i = 0; i < drafting_.size(); ++i) {
    if (sampled_[i].status.ok()) drafting_[i].sequence->drafts.push_back(sampled_[i].token.token_id);
  }
}

/// The rows of those that want one more: their draft, after the layer's own hidden state in place of the main model's.
void Drafter::advance_front() {
  rows_.clear();
  front_rows_.clear();
  size_t kept = 0;
  for (size_t i = 0; i < drafting_.size(); ++i) {
    const DraftRun run = drafting_[i];
    const SequenceSpec& spec = run.sequence->spec;
    const int num_drafted = static_cast<int>(run.sequence->drafts.size());
    if (!sampled_[i].status.ok() || num_drafted == run.num_drafts) continue;
    std::memcpy(&hidden_[kept * hidden_size_], &front_[i * hidden_size_], hidden_size_ * sizeof(float));
    rows_.push_back({run.sequence->drafts.back(), spec.num_computed + num_drafted - 1, spec.blocks.data()});
    front_rows_.push_back(static_cast<int>(kept));
    drafting_[kept++] = run;
  }
  drafting_.resize(kept);
}

}  // namespace switchyard::executor
