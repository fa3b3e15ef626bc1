// The state of an attention rank and one step of it, without threads: plans are applied, blocks pulled, a batch is computed and committed.
// Driven by ExecutorLoop in production and directly by tests. A step commits at its end: a failed one leaves the sequences as they were.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "executor/kv/kv_pool.h"
#include "executor/loop/drafter.h"
#include "executor/loop/kv_puller.h"
#include "executor/loop/plan.h"
#include "executor/loop/sequence.h"
#include "executor/loop/step_batch.h"
#include "executor/loop/token_sampler.h"
#include "executor/model/model.h"

namespace switchyard::executor {

struct CoreConfig {
  std::unique_ptr<ThreadPool> pool = std::make_unique<ThreadPool>(1);  // before `experts`, which may use it
  std::shared_ptr<const Model> model;
  std::unique_ptr<KvPool> kv;
  std::unique_ptr<ExpertBackend> experts;
  std::unique_ptr<KvReader> kv_reader;  // may be null
  /// Of the MTP layer; null where nothing is drafted. With them the model has that layer loaded, and the pool its rows.
  std::unique_ptr<ExpertBackend> mtp_experts;
  int num_speculative_tokens = 0;  // drafts of a sequence at most; 0 to kMaxSpeculativeTokens
  std::unique_ptr<Heartbeat> heartbeat = std::make_unique<Heartbeat>();
  /// How many calls the communicator has recorded.
  std::function<uint64_t()> num_calls = [] { return uint64_t{0}; };
  int max_batch_tokens = 256;
  /// Rows of one pass through the layers at most (the exchange's slot size); a larger batch runs as consecutive passes.
  int max_pass_tokens = 256;
};

class ExecutorCore {
 public:
  explicit ExecutorCore(CoreConfig config);

  /// What can be said of a plan without the rank's state: INVALID_ARGUMENT. Any thread.
  Status check(const Plan& plan) const;

  /// Applies a checked plan and notes it as applied. Sequences that cannot be added are reported in event->failed.
  void apply(Plan plan, StepEvent* event);

  /// True while step() would do something: a pull to advance or rows to compute.
  bool has_work();

  /// Advances pulls, computes one batch and commits it, or sets event->fault and rolls back; then has_work is false until a plan
  /// resumes or no sequence is left.
  void step(StepEvent* event);

  /// Fills the event's header (epoch, applied plan, step) and, when no step was run for it, who is starved now.
  void stamp(StepEvent* event);

  Heartbeat* heartbeat() { return config_.heartbeat.get(); }

  const KvPool& kv() const { return *config_.kv; }
  size_t num_sequences() const { return sequences_.size(); }
  /// True when the set of starved sequences, as has_work found it, is not what the last stamped event told.
  bool has_new_starved() const { return batch_.starved != told_starved_; }

 private:
  void add(SequenceSpec spec, StepEvent* event);
  void grant(const BlockGrant& grant, StepEvent* event);
  void raise_generations(const Sequence& sequence, size_t first_block);
  void erase(uint64_t seq_id);
  Sequence* find(uint64_t seq_id);

  void pull(StepEvent* event);
  void plan_batch();
  Status compute(StepTiming* timing);
  Status run_passes();
  Status run_pass(int first_row, int num_rows);
  void collect_traces(StepTiming* timing);
  void sample_all();
  void gather_hidden(int first_sample, int count);
  void commit(StepEvent* event);
  int commit_samples(const Segment& segment, std::span<SampleResult> samples, StepEvent* event);
  void commit_token(Sequence* sequence, SampledToken token, StepEvent* event);
  void draft();
  void leave_out_decoding();
  int num_drafts_for(const Sequence& sequence, int num_drafts_each) const;

  CoreConfig config_;
  SequenceLimits limits_;
  KvPuller puller_;
  Workspace workspace_;
  TokenSampler sampler_;
  std::optional<Drafter> drafter_;
  SequenceList sequences_;  // in the order they came
  uint64_t master_epoch_ = 0;
  uint64_t applied_plan_seq_ = 0;
  uint64_t step_ = 0;
  uint64_t pass_ = 0;
  int max_prefill_tokens_ = 0;
  bool is_faulted_ = false;
  size_t turn_ = 0;

  StepBatch batch_;
  bool is_batch_current_ = false;
  std::vector<uint64_t> told_starved_;
  std::vector<TraceTag> traces_;
  std::vector<float> stream_;            // [rows][hidden]: the residual stream of the batch after the main layers
  std::vector<SampleRow> sample_rows_;   // of all segments, in their order
  std::vector<int> sampled_batch_rows_;  // the row of the batch that gives it
  std::vector<SampleResult> sampled_;    // its token
  std::vector<float> tile_;              // [tile][hidden]
  std::vector<DraftRun> draft_runs_;     // of the step at hand
};

}  // namespace switchyard::executor
