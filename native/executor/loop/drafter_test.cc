// Drafts change how many tokens a step gives and nothing else: random schedules with them have the bits of sequences run alone without,
// and what is drafted is what the MTP layer says of the whole sequence, however it was cut and whoever computed its prompt.
#include "executor/loop/drafter.h"

#include "executor/loop/test_support.h"
#include "executor/model/evaluate.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

/// Of all steps of a test.
struct DraftCounts {
  int num_drafts = 0;
  int num_draft_tokens = 0;
  std::array<int, kMaxSpeculativeTokens> num_accepted{};

  void add(const StepEvent& event) {
    if (!event.timing) return;
    num_drafts += event.timing->num_drafts;
    num_draft_tokens += event.timing->num_draft_tokens;
    for (int i = 0; i < kMaxSpeculativeTokens; ++i) num_accepted[i] += event.timing->num_accepted_tokens[i];
  }
};

SequenceSpec greedy_sequence(uint64_t seq_id, std::vector<int32_t> tokens, int max_new_tokens) {
  SequenceSpec spec;
  spec.seq_id = seq_id;
  spec.tokens = std::move(tokens);
  spec.num_prompt_tokens = static_cast<int>(spec.tokens.size());
  spec.max_new_tokens = max_new_tokens;
  spec.sampling.logprobs = true;
  for (int i = 0; i < 16; ++i) spec.blocks.push_back(static_cast<int32_t>(seq_id) * 16 + i);
  return spec;
}

/// Runs one sequence to its end, its prompt in pieces of max_prefill_tokens.
std::vector<StepToken> run(ExecutorCore& core, Plan plan, DraftCounts* drafts) {
  CHECK(core.check(plan).ok());
  StepEvent event;
  core.apply(std::move(plan), &event);
  std::vector<StepToken> tokens;
  while (core.has_work()) {
    event = {};
    core.step(&event);
    drafts->add(event);
    CHECK(event.failed.empty() && !event.fault);
    for (StepToken& token : event.tokens) tokens.push_back(std::move(token));
  }
  return tokens;
}

Plan plan_of(uint64_t plan_seq, SequenceSpec sequence, int max_prefill_tokens) {
  Plan plan;
  plan.master_epoch = 1;
  plan.plan_seq = plan_seq;
  plan.max_prefill_tokens = max_prefill_tokens;
  plan.add.push_back(std::move(sequence));
  return plan;
}

/// What one draft a step must come to, by the MTP layer's logits over the whole sequence. `first`: index of the first token that a step
/// with a draft can give.
DraftCounts expected_drafts(const Evaluation& evaluation, const std::vector<int32_t>& tokens, int vocab_size,
                            size_t first) {
  DraftCounts expected;
  for (size_t next = first; next + 1 < tokens.size();) {
    const float* logits = &evaluation.mtp_logits[(next - 2) * vocab_size];
    const bool is_right = std::max_element(logits, logits + vocab_size) - logits == tokens[next];
    ++expected.num_drafts;
    expected.num_accepted[0] += is_right;
    next += is_right ? 2 : 1;
  }
  return expected;
}

}  // namespace

TEST(drafts_change_no_bit_of_an_answer_under_random_schedules) {
  for (const ModelSpec& spec : {drafting(small_spec()), drafting(small_gqa_spec())}) {
    Random random(test::seed());
    const TestWeights weights(spec, random());
    const auto [jobs, expected] = ExpectedJobs(spec, weights, 8, random);
    DraftCounts drafts;
    for (int num_speculative_tokens = 1; num_speculative_tokens <= kMaxSpeculativeTokens; ++num_speculative_tokens) {
      const int block_tokens = 1 + static_cast<int>(random() % 12);
      const RankOptions options{.num_blocks = 400 / block_tokens + 24,
                                .block_tokens = block_tokens,
                                .max_batch_tokens = 1 + static_cast<int>(random() % 30),
                                .max_pass_tokens = 1 + static_cast<int>(random() % 30),
                                .num_threads = 1 + static_cast<int>(random() % 2),
                                .num_speculative_tokens = num_speculative_tokens};
      RandomMaster master(random, options, jobs, expected);
      ExecutorCore core(make_config(spec, weights, options));
      for (int turn = 0; turn < 20000 && !master.is_done(); ++turn) {
        StepEvent event;
        if (random() % 2 == 0) core.apply(master.next_plan(), &event);
        if (core.has_work()) core.step(&event);
        drafts.add(event);
        master.take(event);
      }
      CHECK(master.is_done());
    }
    int num_accepted = 0;
    for (const int count : drafts.num_accepted) num_accepted += count;
    CHECK(num_accepted > 0 && num_accepted < drafts.num_draft_tokens);
  }
}

TEST(drafts_are_what_the_mtp_layer_says_of_the_whole_sequence) {
  const ModelSpec spec = drafting(small_spec());
  const TestWeights weights(spec);
  WeightStore store;
  REQUIRE(store.open(weights.plan(), weights.policy()).ok());
  const std::vector<int32_t> prompt = {1, 4, 0, 2, 3, 3, 1, 0, 2, 4, 4, 1, 0, 0, 3, 2, 1, 4, 2, 0};
  for (const int max_prefill_tokens : {1, 3, 64}) {
    ExecutorCore core(make_config(spec, weights, {.num_speculative_tokens = 1}));
    DraftCounts drafts;
    const std::vector<StepToken> tokens =
        run(core, plan_of(1, greedy_sequence(0, prompt, 60), max_prefill_tokens), &drafts);
    REQUIRE(tokens.size() == 60);
    std::vector<int32_t> all = prompt;
    for (const StepToken& token : tokens) all.push_back(token.token.token_id);
    Evaluation evaluation;
    REQUIRE(evaluate(spec, store, all, 64, true, 1, &evaluation).ok());
    // A prompt whose last token comes alone is like a decoding sequence: its first new token is drafted already.
    const size_t first = prompt.size() + (max_prefill_tokens == 1 ? 0 : 1);
    const DraftCounts expected = expected_drafts(evaluation, all, spec.vocab_size, first);
    CHECK(drafts.num_draft_tokens == expected.num_drafts && drafts.num_accepted == expected.num_accepted);
    CHECK(expected.num_accepted[0] > 5);
  }
}

TEST(drafts_go_on_from_the_blocks_of_a_held_prefill) {
  const ModelSpec spec = drafting(small_spec());
  const TestWeights weights(spec);
  WeightStore store;
  REQUIRE(store.open(weights.plan(), weights.policy()).ok());
  ExecutorCore core(make_config(spec, weights, {.num_speculative_tokens = 1}));
  DraftCounts drafts;
  std::vector<int32_t> all = {1, 4, 0, 2, 3, 3, 1, 0, 2, 4, 4, 1, 0};
  const size_t num_prompt_tokens = all.size();
  SequenceSpec prefill = greedy_sequence(0, all, 1);
  prefill.hold = true;
  const std::vector<StepToken> first = run(core, plan_of(1, prefill, 5), &drafts);
  REQUIRE(first.size() == 1 && drafts.num_drafts == 0);
  all.push_back(first[0].token.token_id);
  SequenceSpec decode = greedy_sequence(0, all, 60);
  decode.seq_id = 1;
  decode.num_computed = static_cast<int>(num_prompt_tokens);
  Plan plan = plan_of(2, decode, 5);
  plan.remove.push_back(0);
  for (const StepToken& token : run(core, std::move(plan), &drafts)) all.push_back(token.token.token_id);
  Evaluation evaluation;
  REQUIRE(evaluate(spec, store, all, 64, true, 1, &evaluation).ok());
  const DraftCounts expected = expected_drafts(evaluation, all, spec.vocab_size, num_prompt_tokens + 2);
  CHECK(drafts.num_draft_tokens == expected.num_drafts && drafts.num_accepted == expected.num_accepted);
}

TEST(drafts_end_where_tokens_and_blocks_do) {
  const ModelSpec spec = drafting(small_spec());
  const TestWeights weights(spec);
  const std::vector<int32_t> prompt = {1, 4, 0, 2, 3};
  ExecutorCore plain(make_config(spec, weights));
  DraftCounts none;
  const std::vector<StepToken> expected = run(plain, plan_of(1, greedy_sequence(0, prompt, 30), 64), &none);
  for (int num_blocks = 1; num_blocks <= 4; ++num_blocks) {
    for (int max_new_tokens = 1; max_new_tokens <= 12; ++max_new_tokens) {
      ExecutorCore core(make_config(spec, weights, {.num_speculative_tokens = 4}));
      SequenceSpec sequence = greedy_sequence(0, prompt, max_new_tokens);
      sequence.blocks.resize(num_blocks);  // of 8 tokens; the last one's row needs none
      sequence.stop_token_ids = {expected[9].token.token_id};
      DraftCounts drafts;
      const std::vector<StepToken> tokens = run(core, plan_of(1, sequence, 64), &drafts);
      const auto is_stop = [&](const StepToken& token) { return token.token.token_id == sequence.stop_token_ids[0]; };
      const size_t until_stop = std::find_if(expected.begin(), expected.end(), is_stop) - expected.begin() + 1;
      const size_t until_starved = num_blocks * 8 - prompt.size() + 1;
      CHECK(tokens.size() == std::min({static_cast<size_t>(max_new_tokens), until_stop, until_starved}));
      for (size_t i = 0; i < tokens.size(); ++i) {
        CHECK(same_token(tokens[i].token, expected[i].token));
        CHECK(tokens[i].position == static_cast<int>(prompt.size() + i));
      }
    }
  }
}

TEST(drafts_are_shared_out_evenly_and_end_under_load) {
  CHECK(drafts_per_sequence(0, 100) == 0 && drafts_per_sequence(1, 100) == kDraftingRows - 1);
  CHECK(drafts_per_sequence(5, 100) == 2 && drafts_per_sequence(8, 100) == 1 && drafts_per_sequence(9, 100) == 0);
  CHECK(drafts_per_sequence(1, 3) == 2 && drafts_per_sequence(40, 3) == 0);
}
