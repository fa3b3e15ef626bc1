// Attention ranks and expert ranks over XCCL, all in this process: random schedules of two attention ranks that share two expert ranks give
// the bits of sequences run alone; what goes wrong on the way is told with rank and code.
#include "executor/loop/test_support.h"
#include "executor/remote/expert_server.h"
#include "executor/remote/remote_experts.h"
#include "xccl/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;
namespace xt = switchyard::xccl::testing;

namespace {

constexpr int kMaxRows = 8;

xt::Member make_rank(const xt::Folder& folder, const ModelSpec& spec, uint32_t rank) {
  xccl::CommunicatorConfig config = xt::config_of(folder, rank);
  config.exchange = {kMaxRows, static_cast<uint32_t>(spec.expert_row_bytes()), 3, 9};
  config.liveness_timeout = std::chrono::seconds(5);  // sanitizers and a busy machine slow everything
  return xt::make_member(std::move(config));
}

/// Experts 0, 3, 6.. on rank 2, the others on rank 3: parts of unequal size.
ExpertPlacement placement_of(const ModelSpec& spec, int timeout_ms = 20000) {
  ExpertPlacement placement{11, {}, timeout_ms};
  for (int e = 0; e < spec.num_ffn_units(); ++e) placement.expert_to_rank.push_back(e % 3 == 0 ? 2 : 3);
  return placement;
}

std::unique_ptr<ExpertServer> serve(
    const ModelSpec& spec, const TestWeights& weights, const xt::Member& member, const ExpertPlacement& placement,
    std::function<void(ExpertSpan)> on_span = [](const ExpertSpan&) {}) {
  ExpertServerConfig config{spec, placement, {}, member, std::move(on_span), 2};
  WeightStore store;
  CHECK(store.open(weights.plan(), weights.policy()).ok());
  CHECK(config.bank
            .load(spec, store, {0, spec.num_layers},
                  [&](int e) { return placement.expert_to_rank[e] == static_cast<int32_t>(member->rank()); })
            .ok());
  return std::make_unique<ExpertServer>(std::move(config));
}

CoreConfig remote_config(const ModelSpec& spec, const TestWeights& weights, const xt::Member& member,
                         const ExpertPlacement& placement, RankOptions options = {}) {
  options.max_pass_tokens = kMaxRows;
  CoreConfig config = make_config(spec, weights, options);
  CHECK(check_placement(spec, placement, member->config()).ok());
  config.experts = std::make_unique<RemoteExperts>(spec, placement, member);
  config.num_calls = [member] { return member->num_calls(); };
  return config;
}

/// Two attention ranks (0, 1) linked to two expert ranks (2, 3).
struct Pod {
  explicit Pod(const ModelSpec& spec) {
    for (uint32_t rank = 0; rank < 4; ++rank) members.push_back(make_rank(folder, spec, rank));
    for (const uint32_t a : {0u, 1u}) {
      for (const uint32_t e : {2u, 3u}) CHECK(xt::link_members(folder, *members[a], *members[e]));
    }
  }
  ~Pod() {
    for (const xt::Member& member : members) member->close();
  }

  xt::Folder folder;
  std::vector<xt::Member> members;
};

Plan one_sequence(std::vector<int32_t> tokens, int max_new_tokens) {
  Plan plan;
  plan.master_epoch = 1;
  plan.plan_seq = 1;
  plan.max_prefill_tokens = 64;
  SequenceSpec& sequence = plan.add.emplace_back();
  sequence.seq_id = 1;
  sequence.tokens = std::move(tokens);
  sequence.num_prompt_tokens = static_cast<int>(sequence.tokens.size());
  sequence.max_new_tokens = max_new_tokens;
  for (int b = 0; b < 20; ++b) sequence.blocks.push_back(b);
  sequence.trace.emplace().trace_id[0] = 0xab;
  return plan;
}

void run_random_schedule(const ModelSpec& spec, const TestWeights& weights, const xt::Member& member, uint64_t seed,
                         const std::vector<Job>& jobs, const std::vector<std::vector<SampledToken>>& expected) {
  Random random(seed);
  const RankOptions options{.num_blocks = 80,
                            .block_tokens = 8,
                            .max_batch_tokens = 20,
                            .max_pass_tokens = kMaxRows,
                            .num_speculative_tokens = spec.num_mtp_layers > 0 ? 1 + static_cast<int>(random() % 4) : 0};
  RandomMaster master(random, options, jobs, expected);
  ExecutorCore core(remote_config(spec, weights, member, placement_of(spec), options));
  for (int turn = 0; turn < 5000 && !master.is_done(); ++turn) {
    StepEvent event;
    core.apply(master.next_plan(), &event);
    if (core.has_work()) core.step(&event);
    CHECK(!event.fault);
    master.take(event);
  }
  CHECK(master.is_done());
}

/// Random schedules of two attention ranks at once.
void check_random_schedules(const ModelSpec& spec) {
  Random random(test::seed());
  const TestWeights weights(spec, random());
  const ExpectedJobs all(spec, weights, 4, random);
  Pod pod(spec);
  const auto even = serve(spec, weights, pod.members[2], placement_of(spec));
  const auto odd = serve(spec, weights, pod.members[3], placement_of(spec));
  const uint64_t other_seed = random();
  std::thread other([&] { run_random_schedule(spec, weights, pod.members[1], other_seed, all.jobs, all.expected); });
  run_random_schedule(spec, weights, pod.members[0], random(), all.jobs, all.expected);
  other.join();
  CHECK(even->stats().num_messages > 0 && odd->stats().num_pairs > even->stats().num_pairs);
}

}  // namespace

TEST(remote_experts_give_the_bits_of_local_ones_under_random_schedules) {
  check_random_schedules(small_spec());
  check_random_schedules(small_gqa_spec());
}

TEST(remote_experts_with_local_drafts_give_the_bits_of_local_ones_under_random_schedules) {
  check_random_schedules(drafting(small_spec()));
}

TEST(remote_ffns_of_a_dense_model_give_the_bits_of_local_ones_under_random_schedules) {
  check_random_schedules(small_dense_spec());
}

TEST(remote_experts_in_w8a8_give_the_bits_of_local_ones_under_random_schedules) {
  check_random_schedules(in_w8a8(small_spec()));
  check_random_schedules(in_w8a8(small_gqa_spec()));
  check_random_schedules(in_w8a8(small_dense_spec()));
}

TEST(remote_expert_that_does_not_answer_is_a_timeout_that_names_it) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  Pod pod(spec);
  const auto even = serve(spec, weights, pod.members[2], placement_of(spec));
  ExecutorCore core(remote_config(spec, weights, pod.members[0], placement_of(spec, 400)));
  pod.members[0]->switch_telemetry(true);
  StepEvent event;
  core.apply(one_sequence({1, 2, 3, 4, 5, 6, 7, 8}, 5), &event);
  const auto start = std::chrono::steady_clock::now();
  core.step(&event);
  REQUIRE(event.fault.has_value());
  CHECK(event.fault->rank == 3 && event.fault->status.code() == Code::kTimeout);
  CHECK(xt::ms_since(start) < 5000);
  // The step's time and its last call tell the same.
  CHECK(event.timing->e2a_wait_ns > 300'000'000);
  const xccl::CallRecords records = pod.members[0]->calls({event.timing->first_call, event.timing->end_call});
  REQUIRE(records.calls.size() == 3 && records.num_lost == 0);
  const xccl::CallRecord& failed = records.calls.back();
  CHECK(failed.primitive == xccl::Primitive::kE2aWait && failed.code == Code::kTimeout && failed.peer == 3);
  CHECK(event.tokens.empty() && !core.has_work());
  // The expert comes up late, answers the abandoned event, and the step is run again.
  const auto odd = serve(spec, weights, pod.members[3], placement_of(spec));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (uint64_t plan_seq = 2; plan_seq < 40 && core.num_sequences() > 0; ++plan_seq) {
    Plan resume;
    resume.master_epoch = 1;
    resume.plan_seq = plan_seq;
    resume.max_prefill_tokens = 64;
    resume.resume = true;
    core.apply(std::move(resume), &event);
    while (core.has_work()) core.step(&event);
  }
  CHECK(event.tokens.size() == 5);
  CHECK(event.timing->e2a_wait_ns < event.timing->duration_ns);
}

TEST(remote_expert_that_dies_is_named_within_a_second) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  Pod pod(spec);
  const auto even = serve(spec, weights, pod.members[2], placement_of(spec));
  ExecutorCore core(remote_config(spec, weights, pod.members[0], placement_of(spec)));
  StepEvent event;
  core.apply(one_sequence({1, 2, 3, 4, 5, 6, 7, 8}, 5), &event);
  std::thread death([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    pod.members[3]->close();
  });
  const auto start = std::chrono::steady_clock::now();
  core.step(&event);
  death.join();
  REQUIRE(event.fault.has_value());
  CHECK(event.fault->rank == 3 && event.fault->status.code() == Code::kPeerDead);
  CHECK(xt::ms_since(start) < 2000);
}

TEST(remote_experts_of_another_placement_version_refuse) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  Pod pod(spec);
  ExpertPlacement newer = placement_of(spec);
  newer.version = 12;
  const auto even = serve(spec, weights, pod.members[2], newer);
  const auto odd = serve(spec, weights, pod.members[3], newer);
  ExecutorCore core(remote_config(spec, weights, pod.members[0], placement_of(spec)));
  StepEvent event;
  core.apply(one_sequence({1, 2, 3, 4, 5, 6, 7, 8}, 5), &event);
  core.step(&event);
  REQUIRE(event.fault.has_value());
  CHECK(event.fault->status.code() == Code::kMismatch && event.fault->rank >= 2);
}

TEST(remote_expert_spans_cover_a_pass_and_carry_the_trace) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  std::mutex mutex;
  std::vector<std::pair<uint32_t, ExpertSpan>> spans;  // with the rank that worked
  Pod pod(spec);
  const auto note_of = [&](uint32_t rank) {
    return [&, rank](const ExpertSpan& span) {
      std::lock_guard lock(mutex);
      spans.push_back({rank, span});
    };
  };
  const auto even = serve(spec, weights, pod.members[2], placement_of(spec), note_of(2));
  const auto odd = serve(spec, weights, pod.members[3], placement_of(spec), note_of(3));
  for (const xt::Member& member : pod.members) member->switch_telemetry(true);
  ExecutorCore core(remote_config(spec, weights, pod.members[0], placement_of(spec)));
  StepEvent event;
  core.apply(one_sequence({1, 2, 3, 4, 5, 6, 7, 8}, 1), &event);
  core.step(&event);
  REQUIRE(event.tokens.size() == 1);
  CHECK(event.timing->a2e_ns > 0 && event.timing->traced_seq_ids == std::vector<uint64_t>{1});
  // Two layers: a message to each expert rank and a wait for both.
  CHECK(event.timing->end_call - event.timing->first_call == 2 * 3);
  even->close();
  odd->close();
  std::lock_guard lock(mutex);
  REQUIRE(spans.size() == 2);
  int num_pairs = 0;
  for (const auto& [rank, span] : spans) {
    CHECK(span.trace.trace_id[0] == 0xab && span.from_rank == 0 && span.num_layers == 2 && span.compute_ns > 0);
    num_pairs += span.num_pairs;
    // From the answer of the first layer to that of the last one: what the rank took before is not of the span.
    std::vector<xccl::CallRecord> calls = pod.members[rank]->calls(span.calls).calls;
    REQUIRE(calls.size() >= 3 && calls.front().primitive == xccl::Primitive::kE2aReply);
    CHECK(calls.back().primitive == xccl::Primitive::kE2aReply && calls.back().event.step == span.step);
    std::erase_if(calls, [](const xccl::CallRecord& call) { return call.peer != 0; });
    CHECK(calls.size() == 3);
  }
  CHECK(num_pairs == 8 * 3 * 2);
}

TEST(placements_that_do_not_fit_are_refused) {
  const ModelSpec spec = small_spec();
  xccl::CommunicatorConfig config;
  config.max_ranks = 4;
  config.exchange = {kMaxRows, static_cast<uint32_t>(spec.hidden_size * sizeof(float)), 3, 6};
  const ExpertPlacement good = placement_of(spec);
  CHECK(check_placement(spec, good, config).ok());
  ExpertPlacement bad = good;
  bad.expert_to_rank.pop_back();
  CHECK(!check_placement(spec, bad, config).ok());
  bad = good;
  bad.expert_to_rank[0] = 4;
  CHECK(!check_placement(spec, bad, config).ok());
  bad = good;
  for (int32_t& rank : bad.expert_to_rank) rank = 2;
  CHECK(!check_placement(spec, bad, config).ok());  // 9 experts on one rank
  config.exchange.row_bytes = 8;
  CHECK(!check_placement(spec, good, config).ok());
  config.exchange = {};
  CHECK(!check_placement(spec, good, config).ok());
}
