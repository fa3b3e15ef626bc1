// The promise of D2 and the rules of D3 on one rank: random schedules give the bits of the sequence run alone; grants, holds, faults,
// epochs and pulls behave as plans say.
#include "executor/loop/executor_core.h"

#include "executor/loop/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

SequenceSpec simple_sequence(uint64_t seq_id, int num_tokens, int max_new_tokens, std::vector<int32_t> blocks) {
  SequenceSpec spec;
  spec.seq_id = seq_id;
  for (int i = 0; i < num_tokens; ++i) spec.tokens.push_back((i * 7 + 3) % 101);
  spec.num_prompt_tokens = num_tokens;
  spec.max_new_tokens = max_new_tokens;
  spec.blocks = std::move(blocks);
  spec.sampling.logprobs = true;
  return spec;
}

Plan plan_of(uint64_t plan_seq, uint64_t epoch = 1) {
  Plan plan;
  plan.master_epoch = epoch;
  plan.plan_seq = plan_seq;
  plan.max_prefill_tokens = 64;
  return plan;
}

/// Steps until nothing is left to do; all events in one.
StepEvent run_dry(ExecutorCore& core) {
  StepEvent all;
  while (core.has_work()) {
    StepEvent event;
    core.step(&event);
    all.tokens.insert(all.tokens.end(), event.tokens.begin(), event.tokens.end());
    all.finished.insert(all.finished.end(), event.finished.begin(), event.finished.end());
    all.failed.insert(all.failed.end(), event.failed.begin(), event.failed.end());
    all.pulled.insert(all.pulled.end(), event.pulled.begin(), event.pulled.end());
    if (event.fault) all.fault = event.fault;
  }
  core.stamp(&all);
  return all;
}

StepEvent apply_and_run(ExecutorCore& core, Plan plan) {
  CHECK(core.check(plan).ok());
  StepEvent event;
  core.apply(std::move(plan), &event);
  StepEvent all = run_dry(core);
  all.failed.insert(all.failed.begin(), event.failed.begin(), event.failed.end());
  return all;
}

/// Reads another core's region, as get() would.
class OtherRegion : public KvReader {
 public:
  explicit OtherRegion(const KvPool& pool) : pool_(pool) {}
  Status read(uint32_t, uint64_t epoch, uint64_t offset, std::span<std::byte> dst) override {
    if (epoch != 5) return {Code::kStale, "another life"};
    std::memcpy(dst.data(), pool_.block(0).data() + offset, dst.size());
    return {};
  }

 private:
  const KvPool& pool_;
};

/// Local experts that fail on demand.
class FailingExperts : public ExpertBackend {
 public:
  FailingExperts(std::unique_ptr<ExpertBackend> inner, int* passes_until_failure)
      : inner_(std::move(inner)), left_(passes_until_failure) {}
  void begin_pass(uint64_t pass, std::span<const TraceTag> traces) override {
    --*left_;
    inner_->begin_pass(pass, traces);
  }
  Status begin(const ExpertBatch& batch) override {
    return *left_ == 0 && batch.layer == 2 ? Status{Code::kPeerDead, "rank 4 is dead"} : inner_->begin(batch);
  }
  Status finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) override {
    return inner_->finish(batch, room, outputs);
  }
  int32_t failed_rank() const override { return 4; }
  ExchangeTimes take_times() override { return {}; }

 private:
  std::unique_ptr<ExpertBackend> inner_;
  int* left_;
};

}  // namespace

TEST(core_random_schedules_have_the_bits_of_sequences_run_alone) { check_local_schedules(small_spec()); }

TEST(core_random_schedules_of_grouped_queries_have_the_bits_of_sequences_run_alone) {
  check_local_schedules(small_gqa_spec());
  check_local_schedules(small_dense_spec());
}

TEST(core_random_schedules_in_w8a8_have_the_bits_of_sequences_run_alone) {
  check_local_schedules(in_w8a8(small_spec()));
  check_local_schedules(in_w8a8(small_gqa_spec()));
}

TEST(core_answers_do_not_depend_on_the_number_of_threads) {
  Random random(test::seed());
  for (const bool is_w8a8 : {false, true}) {
    for (const ModelSpec& narrow : {small_spec(), small_gqa_spec(), small_dense_spec()}) {
      const ModelSpec spec = is_w8a8 ? in_w8a8(widened(narrow)) : widened(narrow);
      const TestWeights weights(spec);
      Job job = random_job(spec, random);
      job.prompt.resize(150, 3);
      job.max_new_tokens = 6;
      const std::vector<SampledToken> expected = run_alone(spec, weights, job);
      for (const int num_threads : {2, 3, 5}) {
        const std::vector<SampledToken> tokens = run_alone(spec, weights, job, num_threads);
        CHECK(std::ranges::equal(tokens, expected, same_token));
      }
    }
  }
}

TEST(core_answers_of_a_batch_do_not_depend_on_the_number_of_threads) {
  const ModelSpec spec = widened(small_spec());
  const TestWeights weights(spec);
  const auto run_batch = [&](int num_threads) {
    ExecutorCore core(make_config(spec, weights, {.num_threads = num_threads}));
    Plan plan = plan_of(1);
    for (int i = 0; i < 20; ++i) {
      plan.add.push_back(simple_sequence(i + 1, 5, 4, {2 * i, 2 * i + 1}));
      plan.add.back().sampling = {.temperature = 0.9f, .seed = static_cast<uint64_t>(i), .logprobs = true};
    }
    return apply_and_run(core, std::move(plan)).tokens;
  };
  const std::vector<StepToken> expected = run_batch(1);
  CHECK(expected.size() == 80);
  for (const int num_threads : {2, 3, 5}) {
    const auto is_same = [](const StepToken& a, const StepToken& b) {
      return a.seq_id == b.seq_id && same_token(a.token, b.token);
    };
    CHECK(std::ranges::equal(run_batch(num_threads), expected, is_same));
  }
}

TEST(core_reports_a_starved_sequence_and_goes_on_after_a_grant) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(7, 12, 10, {3}));  // 8 of 12 tokens have a block
  StepEvent event = apply_and_run(core, std::move(plan));
  CHECK(event.tokens.empty() && event.starved == std::vector<uint64_t>{7});
  CHECK(!core.has_work() && !core.has_new_starved());
  plan = plan_of(2);
  plan.grant.push_back({7, {5}});
  event = apply_and_run(core, std::move(plan));
  CHECK(event.tokens.size() == 5);  // positions 12 to 16; the last needs no row yet
  CHECK(event.starved == std::vector<uint64_t>{7});
  plan = plan_of(3);
  plan.grant.push_back({7, {6}});
  plan.grant.push_back({99, {1}});  // not here any more: no error
  event = apply_and_run(core, std::move(plan));
  CHECK(event.tokens.size() == 5 && event.finished.size() == 1 && event.finished[0].reason == FinishReason::kLength);
  CHECK(event.starved.empty() && core.num_sequences() == 0);
}

TEST(core_finishes_on_a_stop_token_and_holds_what_it_is_told_to_hold) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 5, 6, {0, 1}));
  const StepEvent all = apply_and_run(core, std::move(plan));
  REQUIRE(all.tokens.size() == 6);
  plan = plan_of(2);
  plan.add.push_back(simple_sequence(2, 5, 6, {0, 1}));
  plan.add[0].stop_token_ids = {all.tokens[2].token.token_id};
  plan.add[0].hold = true;
  StepEvent event = apply_and_run(core, std::move(plan));
  REQUIRE(event.finished.size() == 1);
  CHECK(event.finished[0].reason == FinishReason::kStop);
  CHECK(event.tokens.back().token.token_id == all.tokens[2].token.token_id);
  CHECK(core.num_sequences() == 1 && !core.has_work());
  plan = plan_of(3);
  plan.remove.push_back(2);
  event = apply_and_run(core, std::move(plan));
  CHECK(core.num_sequences() == 0 && event.applied_plan_seq == 3);
}

TEST(core_rolls_a_failed_step_back_and_waits_for_resume) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  int passes_until_failure = 4;
  CoreConfig config = make_config(spec, weights);
  config.experts = std::make_unique<FailingExperts>(std::move(config.experts), &passes_until_failure);
  ExecutorCore core(std::move(config));
  ExecutorCore sound(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 20, 8, {0, 1, 2, 3}));
  const StepEvent expected = apply_and_run(sound, plan);
  const StepEvent before = apply_and_run(core, std::move(plan));
  REQUIRE(before.fault.has_value());
  CHECK(before.fault->rank == 4 && before.fault->status.code() == Code::kPeerDead);
  CHECK(before.tokens.size() == 3 && !core.has_work());
  const StepEvent waiting = apply_and_run(core, plan_of(2));
  CHECK(waiting.tokens.empty() && waiting.applied_plan_seq == 2);
  plan = plan_of(3);
  plan.resume = true;
  const StepEvent after = apply_and_run(core, std::move(plan));
  REQUIRE(before.tokens.size() + after.tokens.size() == expected.tokens.size());
  for (size_t i = 0; i < after.tokens.size(); ++i)
    CHECK(same_token(after.tokens[i].token, expected.tokens[i + before.tokens.size()].token));
}

TEST(core_leaves_a_fault_when_its_sequences_are_removed) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  int passes_until_failure = 1;
  CoreConfig config = make_config(spec, weights);
  config.experts = std::make_unique<FailingExperts>(std::move(config.experts), &passes_until_failure);
  ExecutorCore core(std::move(config));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 6, 4, {0, 1}));
  CHECK(apply_and_run(core, std::move(plan)).fault.has_value());
  plan = plan_of(2);
  plan.remove.push_back(1);
  CHECK(apply_and_run(core, std::move(plan)).tokens.empty());
  plan = plan_of(3);
  plan.add.push_back(simple_sequence(2, 6, 4, {0, 1}));
  CHECK(apply_and_run(core, std::move(plan)).tokens.size() == 4);
}

TEST(core_drops_everything_of_an_older_master) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 6, 4, {}));
  apply_and_run(core, std::move(plan));
  CHECK(core.num_sequences() == 1);
  const StepEvent event = apply_and_run(core, plan_of(1, 2));
  CHECK(core.num_sequences() == 0 && event.master_epoch == 2 && event.starved.empty());
}

TEST(core_raises_the_generation_of_what_will_be_written_only) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 20, 4, {0, 1, 2}));
  plan.add.back().hold = true;
  apply_and_run(core, std::move(plan));
  CHECK(core.kv().generation(0) == 1 && core.kv().generation(2) == 1);
  plan = plan_of(2);
  plan.add.push_back(simple_sequence(2, 20, 4, {0, 1, 3}));  // the first two blocks as a prefix
  plan.add.back().num_computed = 16;
  plan.remove.push_back(2);
  apply_and_run(core, std::move(plan));
  CHECK(core.kv().generation(0) == 1 && core.kv().generation(1) == 1 && core.kv().generation(3) == 1);
}

TEST(core_goes_on_from_a_shared_prefix_with_the_same_bits) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 30, 9, {0, 1, 2, 3, 4}));
  const StepEvent expected = apply_and_run(core, std::move(plan));
  plan = plan_of(2);
  plan.add.push_back(simple_sequence(2, 30, 9, {0, 1, 7, 8, 9}));
  plan.add.back().num_computed = 16;
  const StepEvent event = apply_and_run(core, std::move(plan));
  REQUIRE(event.tokens.size() == expected.tokens.size());
  for (size_t i = 0; i < event.tokens.size(); ++i) CHECK(same_token(event.tokens[i].token, expected.tokens[i].token));
}

namespace {

void check_pull(const ModelSpec& spec, const ModelSpec& foreign_spec) {
  const TestWeights weights(spec);
  ExecutorCore source(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add.push_back(simple_sequence(1, 30, 9, {10, 11, 12, 13, 14}));
  const StepEvent expected = apply_and_run(source, std::move(plan));
  CoreConfig config = make_config(spec, weights);
  config.kv_reader = std::make_unique<OtherRegion>(source.kv());
  ExecutorCore core(std::move(config));

  SequenceSpec pulled = simple_sequence(2, 30, 9, {3, 2, 1, 0, 4});
  pulled.num_computed = 29;
  pulled.source = KvSource{.rank = 1,
                           .epoch = 5,
                           .region_offset = 0,
                           .generation_offset = source.kv().generation_offset(),
                           .block_bytes = source.kv().block_bytes(),
                           .layout_version = kKvLayoutVersion,
                           .blocks = {10, 11, 12, 13},
                           .generations = {1, 1, 1, 1},
                           .num_tokens = 29};
  SequenceSpec stale = pulled;
  stale.seq_id = 3;
  stale.source->generations[2] = 2;
  SequenceSpec foreign = pulled;
  foreign.seq_id = 4;
  foreign.source->layout_version = 9;
  SequenceSpec of_other_policy = pulled;
  of_other_policy.seq_id = 6;
  of_other_policy.source->block_bytes = make_config(foreign_spec, TestWeights(foreign_spec)).kv->block_bytes();
  SequenceSpec dead = pulled;
  dead.seq_id = 5;
  dead.source->epoch = 4;
  plan = plan_of(1);
  plan.add = {stale, foreign, dead, of_other_policy, pulled};
  const StepEvent event = apply_and_run(core, std::move(plan));
  CHECK(event.pulled == std::vector<uint64_t>{2});
  REQUIRE(event.failed.size() == 4);
  CHECK(event.failed[0].seq_id == 3 && event.failed[0].status.code() == Code::kStale);
  CHECK(event.failed[1].seq_id == 4 && event.failed[1].status.code() == Code::kMismatch);
  CHECK(event.failed[2].seq_id == 5 && event.failed[2].status.code() == Code::kStale);
  CHECK(event.failed[3].seq_id == 6 && event.failed[3].status.code() == Code::kMismatch);
  REQUIRE(event.tokens.size() == expected.tokens.size());
  for (size_t i = 0; i < event.tokens.size(); ++i) CHECK(same_token(event.tokens[i].token, expected.tokens[i].token));
}

}  // namespace

TEST(core_pulls_kv_and_refuses_stale_or_foreign_sources) {
  for (const ModelSpec& spec : {small_spec(), small_gqa_spec()}) {
    check_pull(spec, in_w8a8(spec));
    check_pull(in_w8a8(spec), spec);
  }
}

TEST(core_check_names_what_is_wrong_with_a_plan) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  const auto refuses = [&](auto change) {
    Plan plan = plan_of(1);
    plan.add.push_back(simple_sequence(1, 6, 4, {0}));
    change(plan);
    return core.check(plan).code() == Code::kInvalidArgument;
  };
  CHECK(!refuses([](Plan&) {}));
  CHECK(refuses([](Plan& plan) { plan.max_prefill_tokens = -1; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].tokens.clear(); }));
  CHECK(refuses([](Plan& plan) { plan.add[0].tokens[2] = 101; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].tokens.resize(640); }));
  CHECK(refuses([](Plan& plan) { plan.add[0].num_prompt_tokens = 0; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].num_prompt_tokens = 7; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].num_computed = 6; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].blocks = {64}; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].max_new_tokens = 0; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].sampling.top_p = 2.0f; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].blocks.clear(), plan.add[0].num_computed = 3; }));
  CHECK(refuses([](Plan& plan) { plan.add[0].source.emplace().num_tokens = 5; }));
  CHECK(refuses([](Plan& plan) { plan.grant.push_back({1, {-1}}); }));
}

TEST(core_drops_both_of_two_sequences_with_one_id) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  ExecutorCore core(make_config(spec, weights));
  Plan plan = plan_of(1);
  plan.add = {simple_sequence(1, 6, 4, {0}), simple_sequence(1, 6, 4, {1})};
  const StepEvent event = apply_and_run(core, std::move(plan));
  CHECK(event.failed.size() == 1 && event.failed[0].status.code() == Code::kInvalidArgument &&
        core.num_sequences() == 0);
}
