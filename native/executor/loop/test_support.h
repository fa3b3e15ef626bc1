// For tests: a master that schedules at random: chunk budgets, late grants, preemption with recomputation. Checks every token that comes
// against what its job gives alone.
#pragma once

#include <algorithm>
#include <map>

#include "executor/test_support.h"

namespace switchyard::executor::testing {

class RandomMaster {
 public:
  RandomMaster(Random& random, const RankOptions& options, std::vector<Job> jobs,
               std::vector<std::vector<SampledToken>> expected)
      : random_(random),
        options_(options),
        jobs_(std::move(jobs)),
        expected_(std::move(expected)),
        runs_(jobs_.size()) {
    for (int32_t b = 0; b < options.num_blocks; ++b) free_blocks_.push_back(b);
  }

  bool is_done() const {
    return std::all_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.state == State::kDone; });
  }

  /// Some random changes; always valid.
  Plan next_plan() {
    Plan plan;
    plan.master_epoch = 1;
    plan.plan_seq = ++plan_seq_;
    plan.max_prefill_tokens = 1 + static_cast<int>(random_() % 20);
    for (size_t i = 0; i < runs_.size(); ++i) {
      Run& run = runs_[i];
      if (run.state == State::kWaiting && random_() % 3 == 0) start(i, &plan);
      // Ever rarer, or a long prompt on a narrow rank would never come to its end.
      else if (run.state == State::kRunning && random_() % (40 + 10 * num_preemptions_) == 0)
        preempt(i, &plan);
      else if (run.state == State::kRunning && random_() % 2 == 0)
        grant(i, &plan);
    }
    return plan;
  }

  void take(const StepEvent& event) {
    CHECK(event.failed.empty());
    for (const StepToken& token : event.tokens) {
      Run& run = runs_[token.seq_id / 1000];
      const Job& job = jobs_[token.seq_id / 1000];
      CHECK(run.state == State::kRunning && run.seq_id == token.seq_id);
      CHECK(token.position == static_cast<int>(job.prompt.size() + run.tokens.size()));
      CHECK(run.tokens.size() < expected_[token.seq_id / 1000].size());
      CHECK(same_token(token.token, expected_[token.seq_id / 1000][run.tokens.size()]));
      run.tokens.push_back(token.token.token_id);
    }
    for (const FinishedSequence& finished : event.finished) {
      Run& run = runs_[finished.seq_id / 1000];
      CHECK(run.tokens.size() == expected_[finished.seq_id / 1000].size());
      give_back(&run);
      run.state = State::kDone;
    }
  }

  int num_preemptions() const { return num_preemptions_; }

 private:
  enum class State { kWaiting, kRunning, kDone };
  struct Run {
    State state = State::kWaiting;
    uint64_t seq_id = 0;
    std::vector<int32_t> tokens;
    std::vector<int32_t> blocks;
  };

  std::vector<int32_t> take_blocks(size_t count) {
    count = std::min(count, free_blocks_.size());
    std::vector<int32_t> blocks;
    for (size_t i = 0; i < count; ++i) {
      std::swap(free_blocks_[random_() % free_blocks_.size()], free_blocks_.back());
      blocks.push_back(free_blocks_.back());
      free_blocks_.pop_back();
    }
    return blocks;
  }

  size_t missing_blocks(size_t i) const {
    const size_t tokens = jobs_[i].prompt.size() + jobs_[i].max_new_tokens;
    return (tokens + options_.block_tokens - 1) / options_.block_tokens - runs_[i].blocks.size();
  }

  void start(size_t i, Plan* plan) {
    Run& run = runs_[i];
    run.seq_id = i * 1000 + ++num_starts_;
    run.state = State::kRunning;
    run.blocks = take_blocks(random_() % 3);
    SequenceSpec& spec = plan->add.emplace_back();
    spec.seq_id = run.seq_id;
    spec.tokens = jobs_[i].prompt;
    spec.num_prompt_tokens = static_cast<int>(spec.tokens.size());
    spec.tokens.insert(spec.tokens.end(), run.tokens.begin(), run.tokens.end());
    spec.sampling = jobs_[i].sampling;
    spec.max_new_tokens = jobs_[i].max_new_tokens - static_cast<int>(run.tokens.size());
    spec.blocks = run.blocks;
  }

  void grant(size_t i, Plan* plan) {
    std::vector<int32_t> blocks = take_blocks(std::min<size_t>(1 + random_() % 2, missing_blocks(i)));
    if (blocks.empty()) return;
    runs_[i].blocks.insert(runs_[i].blocks.end(), blocks.begin(), blocks.end());
    plan->grant.push_back({runs_[i].seq_id, std::move(blocks)});
  }

  void preempt(size_t i, Plan* plan) {
    ++num_preemptions_;
    plan->remove.push_back(runs_[i].seq_id);
    give_back(&runs_[i]);
    runs_[i].state = State::kWaiting;
  }

  void give_back(Run* run) {
    free_blocks_.insert(free_blocks_.end(), run->blocks.begin(), run->blocks.end());
    run->blocks.clear();
  }

  Random& random_;
  RankOptions options_;
  std::vector<Job> jobs_;
  std::vector<std::vector<SampledToken>> expected_;
  std::vector<Run> runs_;
  std::vector<int32_t> free_blocks_;
  uint64_t plan_seq_ = 0;
  int num_starts_ = 0;
  int num_preemptions_ = 0;
};

/// Random schedules of jobs of every length, some of which are preempted; with drafts where the model has an MTP layer.
inline void check_local_schedules(const ModelSpec& spec) {
  Random random(test::seed());
  const TestWeights weights(spec, random());
  const auto [jobs, expected] = ExpectedJobs(spec, weights, 8, random);
  int num_preemptions = 0;
  for (int round = 0; round < 4; ++round) {
    const int block_tokens = 1 + static_cast<int>(random() % 12);
    const RankOptions options{
        .num_blocks = 400 / block_tokens + 24,  // enough for the longest sequence, too few for all
        .block_tokens = block_tokens,
        .max_batch_tokens = 1 + static_cast<int>(random() % 30),
        .max_pass_tokens = 1 + static_cast<int>(random() % 30),
        .num_threads = 1,
        .num_speculative_tokens = spec.num_mtp_layers > 0 ? 1 + round : 0};
    RandomMaster master(random, options, jobs, expected);
    ExecutorCore core(make_config(spec, weights, options));
    for (int turn = 0; turn < 20000 && !master.is_done(); ++turn) {
      StepEvent event;
      if (random() % 2 == 0) {
        Plan plan = master.next_plan();
        REQUIRE(core.check(plan).ok());
        core.apply(std::move(plan), &event);
      }
      if (core.has_work()) core.step(&event);
      master.take(event);
    }
    CHECK(master.is_done());
    num_preemptions += master.num_preemptions();
  }
  CHECK(num_preemptions > 0);
}

}  // namespace switchyard::executor::testing
