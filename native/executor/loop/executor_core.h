// The state of an attention rank and one step of it, without threads: plans are applied, blocks pulled, a batch is computed and committed.
// Driven by ExecutorLoop in production and directly by tests. A step commits at its end: a failed one leaves the sequences as they were.
#pragma once

#include <memory>

#include "executor/kv/kv_pool.h"
#include "executor/loop/kv_puller.h"
#include "executor/loop/plan.h"
#include "executor/loop/sequence.h"
#include "executor/loop/step_batch.h"
#include "executor/model/model.h"

namespace switchyard::executor {

struct CoreConfig {
  std::unique_ptr<ThreadPool> pool = std::make_unique<ThreadPool>(1);  // before `experts`, which may use it
  std::shared_ptr<const Model> model;
  std::unique_ptr<KvPool> kv;
  std::unique_ptr<ExpertBackend> experts;
  std::unique_ptr<KvReader> kv_reader;  // may be null
  std::unique_ptr<Heartbeat> heartbeat = std::make_unique<Heartbeat>();
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
  Status run_pass(int first_row, int num_rows);
  void collect_traces(StepTiming* timing);
  void sample_all();
  void commit(StepEvent* event);
  void commit_token(Sequence* sequence, SampledToken token, StepEvent* event);

  CoreConfig config_;
  SequenceLimits limits_;
  KvPuller puller_;
  Workspace workspace_;
  std::vector<Sampler> samplers_;  // [threads]
  SequenceList sequences_;         // in the order they came
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
  std::vector<float> sample_hidden_;  // [num sampling segments][hidden], before the final norm
  std::vector<float> logits_;         // [tile][vocab]
  std::vector<SampledToken> sampled_;
  std::vector<Status> sample_status_;
};

}  // namespace switchyard::executor
