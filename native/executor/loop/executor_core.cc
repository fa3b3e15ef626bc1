#include "executor/loop/executor_core.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace switchyard::executor {
namespace {

constexpr int64_t kPullBytesPerStep = 8 << 20;

/// A sequence had `num_drafts` verified.
void count_drafts(int num_drafts, int num_accepted, StepTiming* timing) {
  if (num_drafts < 1) return;
  ++timing->num_drafts;
  timing->num_draft_tokens += num_drafts;
  for (int i = 0; i < num_accepted; ++i) ++timing->num_accepted_tokens[i];
}

}  // namespace

ExecutorCore::ExecutorCore(CoreConfig config)
    : config_(std::move(config)),
      limits_{config_.model->spec().vocab_size, config_.model->spec().max_positions, config_.kv->num_blocks(),
              config_.kv->block_tokens()},
      puller_(config_.kv.get(), config_.kv_reader.get()),
      workspace_(config_.model->spec(), std::min(config_.max_batch_tokens, config_.max_pass_tokens),
                 config_.pool.get()),
      sampler_(limits_.vocab_size, config_.pool.get()) {
  const size_t hidden = config_.model->spec().hidden_size;
  batch_.rows.reserve(config_.max_batch_tokens);
  stream_.resize(config_.max_batch_tokens * hidden);
  tile_.resize(TokenSampler::kTileRows * hidden);
  if (!config_.mtp_experts) return;
  const DrafterParts parts{config_.model.get(), config_.kv.get(), config_.mtp_experts.get(), &workspace_, &sampler_};
  drafter_.emplace(parts, config_.max_batch_tokens);
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
  timing.first_call = config_.num_calls();
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
  event->timing->end_call = config_.num_calls();
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
  const Status status = run_passes();
  const ExchangeTimes times = config_.experts->take_times();
  timing->a2e_ns = times.send_ns;
  timing->e2a_wait_ns = times.wait_ns;
  if (status.ok()) sample_all();
  return status;
}

Status ExecutorCore::run_passes() {
  const int num_rows = static_cast<int>(batch_.rows.size());
  for (int first = 0; first < num_rows; first += workspace_.max_tokens) {
    SWITCHYARD_RETURN_IF_ERROR(run_pass(first, std::min(workspace_.max_tokens, num_rows - first)));
  }
  return {};
}

/// One pass through all layers; keeps its stream.
Status ExecutorCore::run_pass(int first_row, int num_rows) {
  config_.experts->begin_pass(++pass_, traces_);
  const std::span<const BatchRow> rows(batch_.rows.data() + first_row, num_rows);
  SWITCHYARD_RETURN_IF_ERROR(
      config_.model->forward(rows, *config_.kv, config_.experts.get(), config_.heartbeat.get(), &workspace_));
  const size_t hidden = config_.model->spec().hidden_size;
  std::memcpy(&stream_[first_row * hidden], workspace_.residual.data(), num_rows * hidden * sizeof(float));
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

/// What the main model draws after each sequence's last token, and after each of its drafts as if that were right.
void ExecutorCore::sample_all() {
  sample_rows_.clear();
  sampled_batch_rows_.clear();
  for (const Segment& segment : batch_.segments) {
    for (int i = 0; i < segment.num_samples; ++i) {
      sample_rows_.push_back({segment.sequence, segment.sequence->num_tokens() + i, false});
      sampled_batch_rows_.push_back(segment.first_row + segment.num_rows - segment.num_samples + i);
    }
  }
  ThreadPool* pool = config_.pool.get();
  sampler_.sample(
      sample_rows_,
      [&](int first, int count, float* logits) {
        gather_hidden(first, count);
        config_.model->head(pool, tile_.data(), logits, count);
      },
      &sampled_);
}

/// tile_: the hidden states, after the final norm, that these samples are drawn from.
void ExecutorCore::gather_hidden(int first_sample, int count) {
  const size_t hidden = config_.model->spec().hidden_size;
  for (int i = 0; i < count; ++i)
    std::memcpy(&tile_[i * hidden], &stream_[sampled_batch_rows_[first_sample + i] * hidden], hidden * sizeof(float));
  config_.model->final_norm(config_.pool.get(), tile_.data(), tile_.data(), count);
}

// ---- Commit ----

void ExecutorCore::commit(StepEvent* event) {
  turn_ = batch_.next_turn;
  draft_runs_.clear();
  std::span<SampleResult> samples(sampled_);
  for (const Segment& segment : batch_.segments) {
    Sequence* sequence = segment.sequence;
    const int num_kept =
        segment.num_rows - segment.num_samples + commit_samples(segment, samples.first(segment.num_samples), event);
    samples = samples.subspan(segment.num_samples);
    sequence->spec.num_computed += num_kept;
    if (num_kept == 0 || (sequence->has_ended && !sequence->is_held)) continue;
    const float* stream = &stream_[static_cast<size_t>(segment.first_row) * config_.model->spec().hidden_size];
    draft_runs_.push_back({sequence, stream, num_kept, 0});
  }
  if (drafter_) draft();
  std::erase_if(sequences_, [](const auto& sequence) { return sequence->has_ended && !sequence->is_held; });
}

/// Tokens for as long as the drafts were what the main model draws, and the one that it draws in place of the first that was not.
/// How many rows that makes use of.
int ExecutorCore::commit_samples(const Segment& segment, std::span<SampleResult> samples, StepEvent* event) {
  Sequence* sequence = segment.sequence;
  const std::vector<int32_t> drafts = std::exchange(sequence->drafts, {});
  int num_kept = 0;
  for (SampleResult& sample : samples) {
    if (!sample.status.ok()) {
      sequence->has_ended = true;
      event->failed.push_back({sequence->spec.seq_id, sample.status});
      break;
    }
    const int32_t id = sample.token.token_id;
    commit_token(sequence, std::move(sample.token), event);
    const bool is_accepted = num_kept + 1 < segment.num_samples && drafts[num_kept] == id;
    ++num_kept;
    if (!is_accepted || sequence->has_ended) break;
  }
  count_drafts(segment.num_samples - 1, num_kept - 1, &*event->timing);
  return num_kept;
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
  sequence->has_ended = true;
  sequence->is_held = spec.hold;
}

// ---- Drafts ----

void ExecutorCore::draft() {
  const int num_drafts_each = std::min(config_.num_speculative_tokens,
                                       drafts_per_sequence(count_decoding(sequences_), config_.max_batch_tokens));
  if (num_drafts_each == 0) leave_out_decoding();
  std::erase_if(draft_runs_, [](const DraftRun& run) { return run.sequence->lacks_mtp_rows; });
  for (DraftRun& run : draft_runs_) run.num_drafts = num_drafts_for(*run.sequence, num_drafts_each);
  drafter_->draft(draft_runs_);
}

/// Under load the MTP layer costs its time and gives nothing; only prompts need its rows, for whoever goes on from them.
void ExecutorCore::leave_out_decoding() {
  for (const DraftRun& run : draft_runs_) run.sequence->lacks_mtp_rows |= run.sequence->is_decoding();
}

/// None that could not become a token, and none whose row has no block yet.
int ExecutorCore::num_drafts_for(const Sequence& sequence, int num_drafts_each) const {
  if (!sequence.is_decoding()) return 0;
  const int num_rows =
      std::min(sequence.num_granted_rows(limits_.block_tokens), sequence.num_left(limits_.max_positions));
  return std::clamp(num_rows - 1, 0, num_drafts_each);
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
