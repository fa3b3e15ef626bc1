#include "executor/loop/executor_core.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace switchyard::executor {
namespace {

constexpr int64_t kPullBytesPerStep = 8 << 20;
constexpr int kHeadTileRows = 16;  // rows of logits in memory at once

}  // namespace

ExecutorCore::ExecutorCore(CoreConfig config)
    : config_(std::move(config)),
      limits_{config_.model->spec().vocab_size, config_.model->spec().max_positions, config_.kv->num_blocks(),
              config_.kv->block_tokens()},
      puller_(config_.kv.get(), config_.kv_reader.get()),
      workspace_(config_.model->spec(), std::min(config_.max_batch_tokens, config_.max_pass_tokens),
                 config_.pool.get()),
      samplers_(config_.pool->num_threads()) {
  batch_.rows.reserve(config_.max_batch_tokens);
  logits_.resize(static_cast<size_t>(kHeadTileRows) * limits_.vocab_size);
}

Status ExecutorCore::check(const Plan& plan) const {
  if (plan.max_prefill_tokens < 0) return {Code::kInvalidArgument, "maxPrefillTokens must not be negative"};
  for (const SequenceSpec& spec : plan.add) SWITCHYARD_RETURN_IF_ERROR(check_sequence(spec, limits_));
  for (const BlockGrant& grant : plan.grant) SWITCHYARD_RETURN_IF_ERROR(check_blocks(grant.blocks, limits_));
  return {};
}

// ---- Plans ----

void ExecutorCore::apply(Plan plan, StepEvent* event) {
  if (plan.master_epoch > master_epoch_) {
    sequences_.clear();
    is_faulted_ = false;
  }
  master_epoch_ = plan.master_epoch;
  applied_plan_seq_ = plan.plan_seq;
  max_prefill_tokens_ = plan.max_prefill_tokens;
  for (SequenceSpec& spec : plan.add) add(std::move(spec), event);
  for (const BlockGrant& granted : plan.grant) grant(granted, event);
  for (const uint64_t seq_id : plan.remove) erase(seq_id);
  if (plan.resume || sequences_.empty()) is_faulted_ = false;
  is_batch_current_ = false;
}

void ExecutorCore::add(SequenceSpec spec, StepEvent* event) {
  if (find(spec.seq_id)) {
    erase(spec.seq_id);
    event->failed.push_back(
        {spec.seq_id, {Code::kInvalidArgument, "a sequence with this id was here already; both are dropped"}});
    return;
  }
  sequences_.push_back(std::make_unique<Sequence>());
  Sequence& sequence = *sequences_.back();
  sequence.spec = std::move(spec);
  sequence.spec.blocks.reserve((limits_.max_positions + limits_.block_tokens - 1) / limits_.block_tokens);
  // Blocks whose rows stand already may be shared or claimed by others: only what will be written is a new grant.
  const int computed = sequence.is_pulling() ? 0 : sequence.spec.num_computed;
  raise_generations(sequence, (computed + limits_.block_tokens - 1) / limits_.block_tokens);
}

void ExecutorCore::grant(const BlockGrant& granted, StepEvent* event) {
  Sequence* sequence = find(granted.seq_id);
  if (!sequence) return;  // it ended while the grant was on its way
  const size_t before = sequence->spec.blocks.size();
  const size_t most = (limits_.max_positions + limits_.block_tokens - 1) / limits_.block_tokens;
  if (before + granted.blocks.size() > most) {
    event->failed.push_back(
        {granted.seq_id, {Code::kInvalidArgument, "more blocks granted than the longest sequence takes"}});
    erase(granted.seq_id);
    return;
  }
  sequence->spec.blocks.insert(sequence->spec.blocks.end(), granted.blocks.begin(), granted.blocks.end());
  raise_generations(*sequence, before);
}

void ExecutorCore::raise_generations(const Sequence& sequence, size_t first_block) {
  for (size_t i = first_block; i < sequence.spec.blocks.size(); ++i)
    config_.kv->raise_generation(sequence.spec.blocks[i]);
}

void ExecutorCore::erase(uint64_t seq_id) {
  std::erase_if(sequences_, [&](const auto& sequence) { return sequence->spec.seq_id == seq_id; });
  is_batch_current_ = false;
}

Sequence* ExecutorCore::find(uint64_t seq_id) {
  for (const auto& sequence : sequences_) {
    if (sequence->spec.seq_id == seq_id) return sequence.get();
  }
  return nullptr;
}

// ---- Steps ----

bool ExecutorCore::has_work() {
  if (is_faulted_) return false;
  for (const auto& sequence : sequences_) {
    if (sequence->is_pulling()) return true;
  }
  plan_batch();
  return !batch_.rows.empty();
}

void ExecutorCore::plan_batch() {
  if (is_batch_current_) return;
  build_step_batch(sequences_, {config_.max_batch_tokens, max_prefill_tokens_, limits_.block_tokens}, turn_, &batch_);
  is_batch_current_ = true;
}

void ExecutorCore::step(StepEvent* event) {
  if (is_faulted_) return;
  StepTiming timing;
  timing.start_unix_ns = unix_now_ns();
  const int64_t start = monotonic_now_ns();
  event->timing = timing;
  pull(event);
  plan_batch();
  event->starved = batch_.starved;
  if (!batch_.rows.empty()) {
    ++step_;
    const Status status = compute(&*event->timing);
    if (status.ok()) {
      commit(event);
    } else {
      is_faulted_ = true;
      event->fault = StepFault{config_.experts->failed_rank(), status};
    }
    is_batch_current_ = false;
  }
  event->timing->duration_ns = monotonic_now_ns() - start;
}

void ExecutorCore::pull(StepEvent* event) {
  StepTiming& timing = *event->timing;
  int64_t budget = kPullBytesPerStep;
  const int64_t start = monotonic_now_ns();
  for (size_t i = 0; i < sequences_.size() && budget > 0; ++i) {
    Sequence* sequence = sequences_[i].get();
    if (!sequence->is_pulling()) continue;
    if (timing.pull_start_unix_ns == 0) timing.pull_start_unix_ns = unix_now_ns();
    const uint64_t seq_id = sequence->spec.seq_id;
    const int64_t before = budget;
    const Status status = puller_.advance(sequence, &budget);
    timing.pull_bytes += before - budget;
    if (sequence->spec.trace) timing.traced_seq_ids.push_back(seq_id);
    if (!status.ok()) {
      event->failed.push_back({seq_id, status});
      erase(seq_id);
      --i;
    } else if (!sequence->is_pulling()) {
      event->pulled.push_back(seq_id);
      is_batch_current_ = false;
    }
  }
  if (timing.pull_start_unix_ns != 0) timing.pull_ns = monotonic_now_ns() - start;
}

Status ExecutorCore::compute(StepTiming* timing) {
  timing->num_decode_rows = batch_.num_decode_rows;
  timing->num_prefill_rows = batch_.num_prefill_rows;
  collect_traces(timing);
  const auto num_samples =
      std::count_if(batch_.segments.begin(), batch_.segments.end(), [](const Segment& s) { return s.samples; });
  sample_hidden_.resize(num_samples * config_.model->spec().hidden_size);
  const int num_rows = static_cast<int>(batch_.rows.size());
  for (int first = 0; first < num_rows; first += workspace_.max_tokens) {
    SWITCHYARD_RETURN_IF_ERROR(run_pass(first, std::min(workspace_.max_tokens, num_rows - first)));
  }
  const ExchangeTimes times = config_.experts->take_times();
  timing->a2e_ns = times.send_ns;
  timing->e2a_wait_ns = times.wait_ns;
  sample_all();
  return {};
}

/// One pass through all layers; keeps the stream of rows that sample.
Status ExecutorCore::run_pass(int first_row, int num_rows) {
  config_.experts->begin_pass(++pass_, traces_);
  const std::span<const BatchRow> rows(batch_.rows.data() + first_row, num_rows);
  SWITCHYARD_RETURN_IF_ERROR(
      config_.model->forward(rows, *config_.kv, config_.experts.get(), config_.heartbeat.get(), &workspace_));
  const size_t hidden = config_.model->spec().hidden_size;
  size_t sample_idx = 0;
  for (const Segment& segment : batch_.segments) {
    if (!segment.samples) continue;
    const int row = segment.first_row + segment.num_rows - 1 - first_row;
    if (row >= 0 && row < num_rows)
      std::memcpy(&sample_hidden_[sample_idx * hidden], &workspace_.residual[row * hidden], hidden * sizeof(float));
    ++sample_idx;
  }
  return {};
}

void ExecutorCore::collect_traces(StepTiming* timing) {
  traces_.clear();
  for (const Segment& segment : batch_.segments) {
    if (!segment.sequence->spec.trace) continue;
    traces_.push_back(*segment.sequence->spec.trace);
    timing->traced_seq_ids.push_back(segment.sequence->spec.seq_id);
  }
}

/// Final norm, LM head and sampling of the rows that sample, a tile of them at a time.
void ExecutorCore::sample_all() {
  const size_t hidden = config_.model->spec().hidden_size;
  std::vector<const Segment*> sampling;
  for (const Segment& segment : batch_.segments) {
    if (segment.samples) sampling.push_back(&segment);
  }
  sampled_.assign(sampling.size(), {});
  sample_status_.assign(sampling.size(), {});
  ThreadPool* pool = config_.pool.get();
  for (size_t first = 0; first < sampling.size(); first += kHeadTileRows) {
    const int count = static_cast<int>(std::min<size_t>(kHeadTileRows, sampling.size() - first));
    float* stream = &sample_hidden_[first * hidden];
    config_.model->final_norm(pool, stream, stream, count);
    config_.model->head(pool, stream, logits_.data(), count);
    pool->run(count, [&](int i, int worker) {
      const Sequence& sequence = *sampling[first + i]->sequence;
      sample_status_[first + i] =
          samplers_[worker].sample(&logits_[static_cast<size_t>(i) * limits_.vocab_size], limits_.vocab_size,
                                   sequence.spec.sampling, sequence.num_tokens(), &sampled_[first + i]);
    });
  }
}

// ---- Commit ----

void ExecutorCore::commit(StepEvent* event) {
  turn_ = batch_.next_turn;
  std::vector<uint64_t> failed;
  size_t sample_idx = 0;
  for (const Segment& segment : batch_.segments) {
    Sequence* sequence = segment.sequence;
    sequence->spec.num_computed += segment.num_rows;
    if (!segment.samples) continue;
    const Status& status = sample_status_[sample_idx];
    if (status.ok()) {
      commit_token(sequence, std::move(sampled_[sample_idx]), event);
    } else {
      event->failed.push_back({sequence->spec.seq_id, status});
      failed.push_back(sequence->spec.seq_id);
    }
    ++sample_idx;
  }
  for (const uint64_t seq_id : failed) erase(seq_id);
  for (const FinishedSequence& finished : event->finished) {
    Sequence* sequence = find(finished.seq_id);
    if (sequence && !sequence->is_held) erase(finished.seq_id);
  }
}

void ExecutorCore::commit_token(Sequence* sequence, SampledToken token, StepEvent* event) {
  SequenceSpec& spec = sequence->spec;
  const int32_t id = token.token_id;
  event->tokens.push_back({spec.seq_id, sequence->num_tokens(), std::move(token)});
  spec.tokens.push_back(id);
  ++sequence->num_generated;
  const bool stops = std::find(spec.stop_token_ids.begin(), spec.stop_token_ids.end(), id) != spec.stop_token_ids.end();
  const bool is_full =
      sequence->num_generated >= spec.max_new_tokens || sequence->num_tokens() >= limits_.max_positions;
  if (!stops && !is_full) return;
  event->finished.push_back({spec.seq_id, stops ? FinishReason::kStop : FinishReason::kLength});
  sequence->is_held = spec.hold;
}

void ExecutorCore::stamp(StepEvent* event) {
  if (!event->timing) {
    plan_batch();
    event->starved = batch_.starved;
  }
  told_starved_ = event->starved;
  event->master_epoch = master_epoch_;
  event->applied_plan_seq = applied_plan_seq_;
  event->step = step_;
}

}  // namespace switchyard::executor
