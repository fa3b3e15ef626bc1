// Split latent attention against docs/numerics.md, row by row and key by key; and the promise of its kernel class: answers are those of absorbed
// attention but for roundings, and have the same bits under every schedule, of prompts and of what is generated behind them.
#include "executor/blocks/mla_split.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "executor/loop/test_support.h"
#include "executor/model/evaluate.h"
#include "kernels/registry.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

constexpr int kBlockTokens = 7;
constexpr float kScale = 0.21f;

std::vector<float> normal_floats(size_t count, Random& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// [num_rows, num_columns], random, as the policy has it: INT8, Q8_0 or fp32.
PackedMatrix random_widener(WeightPolicy policy, int num_rows, int num_columns, Random& random) {
  if (policy == WeightPolicy::kW8a8) {
    PackedMatrix w(num_rows, num_columns, PackedType::kInt8);
    std::vector<int8_t> q(static_cast<size_t>(num_rows) * num_columns);
    for (int8_t& code : q) code = static_cast<int8_t>(random());
    std::vector<float> scales = normal_floats(num_rows, random);
    for (float& scale : scales) scale *= 0.003f;
    w.set_int8_rows(0, num_rows, q.data(), scales.data());
    return w;
  }
  if (policy == WeightPolicy::kBlockA8) {
    PackedMatrix w(num_rows, num_columns, PackedType::kQ8_0);
    for (int row = 0; row < num_rows; ++row) {
      for (int unit_idx = 0; unit_idx < num_columns / 32; ++unit_idx) {
        BlockUnit unit = {};
        for (uint8_t& code : unit.codes) code = static_cast<uint8_t>(random());
        unit.scale = static_cast<uint16_t>(0x1800 + random() % 1024);  // about 0.003 in fp16
        w.set_block_unit(row, unit_idx, unit);
      }
    }
    return w;
  }
  PackedMatrix w(num_rows, num_columns, PackedType::kF32);
  std::vector<float> numbers = normal_floats(static_cast<size_t>(num_rows) * num_columns, random);
  for (float& number : numbers) number *= 0.2f;
  w.set_rows(0, num_rows, numbers.data(), Dtype::kF32, num_columns, 1);
  return w;
}

/// A layer's part of split attention: a cache of two sequences with random latents, and random wideners.
struct Layer {
  Layer(const ModelSpec& s, int num_keys, Random& random) : spec(s), layout(s) {
    const int num_blocks = (num_keys + kBlockTokens - 1) / kBlockTokens;
    REQUIRE(KvPool::create(1, layout, 2 * num_blocks, kBlockTokens, {}, &kv).ok());
    std::vector<int32_t> ids(2 * num_blocks);
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), random);
    for (int sequence = 0; sequence < 2; ++sequence) {
      blocks[sequence].assign(&ids[sequence * num_blocks], &ids[sequence * num_blocks] + num_blocks);
      for (int j = 0; j < num_keys; ++j) layout.store(normal_floats(s.cache_width(), random).data(), row(sequence, j));
    }
    for (int h = 0; h < s.num_heads; ++h) {
      wideners.keys.push_back(random_widener(s.policy, s.qk_nope_head_dim, s.kv_lora_rank, random));
      wideners.values.push_back(random_widener(s.policy, s.v_head_dim, s.kv_lora_rank, random));
    }
  }

  std::byte* row(int sequence, int j) const {
    return kv->layer(0).row(blocks[sequence][j / kBlockTokens], j % kBlockTokens);
  }

  /// W c of a key: in w8a8 with the INT8 row that the cache has, else with its numbers.
  void widen(const PackedMatrix& w, int sequence, int j, float* y) const {
    const std::byte* latent = row(sequence, j) + layout.value_offset;
    if (w.type() != PackedType::kInt8)
      return product(w, reinterpret_cast<const float*>(latent), spec.kv_lora_rank, y, w.num_rows(), 1);
    Int8Activations x;
    x.resize(spec.kv_lora_rank, 1);
    x.set_row(0, latent);
    product_int8_ref({static_cast<const uint8_t*>(w.data()), w.scales(), w.num_rows(), int8_num_quads(w.num_columns()),
                      x.values(), x.rows(), y, static_cast<size_t>(w.num_rows()), 1});
  }

  /// A head's keys and values, [num_keys][key_dim + value_dim].
  std::vector<float> widened(int head, int sequence, int num_keys) const {
    std::vector<float> rows;
    for (int j = 0; j < num_keys; ++j) {
      const size_t at = rows.size();
      rows.resize(at + spec.head_dim + spec.v_head_dim);
      widen(wideners.keys[head], sequence, j, &rows[at]);
      const size_t rope_bytes = spec.qk_rope_head_dim * sizeof(float);
      std::memcpy(&rows[at + spec.qk_nope_head_dim], row(sequence, j) + layout.row_bytes - rope_bytes, rope_bytes);
      widen(wideners.values[head], sequence, j, &rows[at + spec.head_dim]);
    }
    return rows;
  }

  const ModelSpec& spec;
  CacheLayout layout;
  std::unique_ptr<KvPool> kv;
  std::vector<int32_t> blocks[2];
  LatentWideners wideners;
};

/// out [rows][heads][v_head_dim], each row and head by itself.
std::vector<float> reference(const Layer& layer, std::span<const BatchRow> rows, const std::vector<float>& q) {
  const ModelSpec& s = layer.spec;
  const size_t row_floats = s.head_dim + s.v_head_dim;
  std::vector<float> out(rows.size() * s.num_heads * s.v_head_dim);
  std::vector<float> scratch(paged_attention_scratch_floats(s.head_dim, s.v_head_dim));
  const int32_t block = 0;
  for (int h = 0; h < s.num_heads; ++h) {
    std::vector<float> cache[2];
    for (int sequence = 0; sequence < 2; ++sequence) {
      int num_keys = 0;
      for (const BatchRow& row : rows)
        if (row.block_table == layer.blocks[sequence].data()) num_keys = std::max(num_keys, row.position + 1);
      cache[sequence] = layer.widened(h, sequence, num_keys);
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::vector<float>& keys = cache[rows[i].block_table == layer.blocks[1].data()];
      paged_attention_ref({.q = &q[(i * s.num_heads + h) * s.head_dim],
                           .q_stride = 0,
                           .cache = reinterpret_cast<const std::byte*>(keys.data()),
                           .key_offset = 0,
                           .value_offset = s.head_dim * sizeof(float),
                           .block_stride = 0,
                           .row_stride = row_floats * sizeof(float),
                           .has_int8_values = false,
                           .int8_key_dim = 0,
                           .block_table = &block,
                           .block_tokens = rows[i].position + 1,
                           .num_rows = 1,
                           .num_keys = rows[i].position + 1,
                           .window = 0,
                           .num_heads = 1,
                           .key_dim = s.head_dim,
                           .value_dim = s.v_head_dim,
                           .scale = kScale,
                           .out = &out[(i * s.num_heads + h) * s.v_head_dim],
                           .out_stride = 0,
                           .scratch = scratch.data()});
    }
  }
  return out;
}

void check_layer(const ModelSpec& spec, int num_keys, Random& random) {
  const Layer layer(spec, num_keys, random);
  // The end of one sequence behind some of the other's.
  std::vector<BatchRow> rows;
  for (int j = num_keys - 1 - static_cast<int>(random() % num_keys); j < num_keys; ++j)
    rows.push_back({0, j, layer.blocks[0].data(), true});
  const int first = static_cast<int>(random() % num_keys);
  for (int j = first; j < std::min(first + 90, num_keys); ++j) rows.push_back({0, j, layer.blocks[1].data(), true});
  const int num_rows = static_cast<int>(rows.size());
  const std::vector<float> q = normal_floats(rows.size() * spec.num_heads * spec.head_dim, random);
  const std::vector<float> expected = reference(layer, rows, q);
  for (const Isa isa : available_isas()) {
    setenv("SWITCHYARD_ISA", isa_name(isa), 1);
    REQUIRE(select_kernels().ok());
    for (const int num_threads : {1, 2, 3, 4}) {
      ThreadPool pool(num_threads);
      Workspace ws(spec, num_rows, &pool);
      for (int round = 0; round < 2; ++round) {
        std::vector<float> out(expected.size());
        attend_split(spec, layer.wideners, layer.layout, {rows, q.data(), out.data(), kScale}, layer.kv->layer(0), &ws);
        CHECK(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)) == 0);
      }
    }
  }
  unsetenv("SWITCHYARD_ISA");
  REQUIRE(select_kernels().ok());
}

const ModelSpec kSplitSpecs[] = {in_mla_split(small_spec()), in_mla_split(in_w8a8(small_spec())),
                                 in_mla_split(in_block_a8(small_spec())),
                                 in_mla_split(with_split_kv_b(in_block_a8(small_spec())))};

Evaluation evaluation_of(const ModelSpec& spec, const TestWeights& weights, const std::vector<int32_t>& tokens,
                         int chunk_tokens, int num_threads = 1) {
  WeightStore store;
  CHECK(store.open(weights.plan(), weights.policy()).ok());
  Evaluation evaluation;
  CHECK(evaluate(spec, store, tokens, chunk_tokens, spec.num_mtp_layers > 0, num_threads, &evaluation).ok());
  return evaluation;
}

std::vector<int32_t> random_tokens(const ModelSpec& spec, int count, Random& random) {
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % spec.vocab_size);
  return tokens;
}

/// Largest difference, as a share of the range.
float distance(const std::vector<float>& a, const std::vector<float>& b) {
  CHECK(!b.empty() && a.size() == b.size());
  float most = 0.0f;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  const auto [low, high] = std::minmax_element(b.begin(), b.end());
  return most / (*high - *low);
}

}  // namespace

TEST(split_attention_is_that_of_each_row_over_keys_widened_one_by_one) {
  Random random(test::seed());
  for (const WeightPolicy policy : {WeightPolicy::kFp32, WeightPolicy::kW8a8, WeightPolicy::kBlockA8}) {
    ModelSpec spec = in_mla_split(small_spec());
    spec.policy = policy;
    spec.num_heads = 5;
    if (policy == WeightPolicy::kBlockA8) spec.kv_lora_rank = 64;
    for (const int num_keys : {1, 64, 65, 300, 530}) check_layer(spec, num_keys, random);
  }
}

TEST(split_prompts_have_the_logits_of_absorbed_ones_but_for_roundings) {
  Random random(test::seed());
  const ModelSpec plain = drafting(widened(small_spec()));
  const TestWeights weights(plain, random());
  const std::vector<int32_t> tokens = random_tokens(plain, 300, random);
  const Evaluation absorbed = evaluation_of(plain, weights, tokens, 300);
  const Evaluation split = evaluation_of(in_mla_split(plain), weights, tokens, 300);
  CHECK(split.logits != absorbed.logits && distance(split.logits, absorbed.logits) < 1e-5f);
  CHECK(distance(split.mtp_logits, absorbed.mtp_logits) < 1e-5f);
}

TEST(split_prompts_in_w8a8_have_the_logits_of_absorbed_ones_but_for_roundings) {
  // Both read the same latents in INT8, of which products with INT8 weights are exact; later rows to INT8 may round otherwise.
  Random random(test::seed());
  const ModelSpec plain = in_w8a8(small_spec());
  const TestWeights weights(plain, random());
  const std::vector<int32_t> tokens = random_tokens(plain, 40, random);
  const std::vector<float> split = evaluation_of(in_mla_split(plain), weights, tokens, 40).logits;
  CHECK(distance(split, evaluation_of(plain, weights, tokens, 40).logits) < 1e-2f);
}

TEST(split_prompts_have_the_same_bits_in_chunks_and_by_any_number_of_threads) {
  Random random(test::seed());
  for (const ModelSpec& spec : kSplitSpecs) {
    const TestWeights weights(spec, random());
    const std::vector<int32_t> tokens = random_tokens(spec, 300, random);
    const std::vector<float> whole = evaluation_of(spec, weights, tokens, 300).logits;
    for (const int chunk_tokens : {1, 37, 64, 257}) {
      const int num_threads = 1 + static_cast<int>(random() % 4);
      CHECK(evaluation_of(spec, weights, tokens, chunk_tokens, num_threads).logits == whole);
    }
  }
}

TEST(split_prompts_and_what_is_generated_have_the_bits_of_sequences_run_alone) {
  for (const ModelSpec& spec : kSplitSpecs) check_local_schedules(spec);
}

TEST(split_prompts_with_drafts_have_the_bits_of_sequences_run_alone) {
  check_local_schedules(in_mla_split(drafting(small_spec())));
}

TEST(tokens_behind_the_prompt_are_absorbed_however_they_are_cut) {
  Random random(test::seed());
  const ModelSpec plain = small_spec();
  const ModelSpec split = in_mla_split(plain);
  const TestWeights weights(plain, random());
  const std::vector<int32_t> tokens = random_tokens(plain, 30, random);
  const auto logprobs_of = [&](const ModelSpec& spec, int num_prompt_tokens, int max_prefill_tokens) {
    ExecutorCore core(make_config(spec, weights));
    Plan plan;
    plan.master_epoch = plan.plan_seq = 1;
    plan.max_prefill_tokens = max_prefill_tokens;
    SequenceSpec& sequence = plan.add.emplace_back();
    sequence.tokens = tokens;
    sequence.num_prompt_tokens = num_prompt_tokens;
    sequence.blocks = {3, 1, 0, 2};
    sequence.sampling = {.temperature = 0.0f, .logprobs = true, .top_logprobs = 20};
    StepEvent event;
    core.apply(std::move(plan), &event);
    while (event.tokens.empty()) core.step(&event);
    return event.tokens.front().token.top_logprobs;
  };
  const std::vector<float> absorbed = logprobs_of(plain, 30, 32);
  CHECK(logprobs_of(plain, 12, 32) == absorbed);
  const std::vector<float> whole = logprobs_of(split, 30, 32);
  const std::vector<float> mixed = logprobs_of(split, 12, 32);
  CHECK(whole != absorbed && mixed != absorbed && mixed != whole);
  for (const int max_prefill_tokens : {1, 5, 12, 13}) CHECK(logprobs_of(split, 12, max_prefill_tokens) == mixed);
}
