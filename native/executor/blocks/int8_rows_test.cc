// INT8 rows of policy w8a8 on their way to experts and in the cache: their sizes, what their numbers become, and what a lost one does.
#include <cmath>
#include <limits>

#include "base/quantize_row.h"
#include "executor/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

/// Local experts of which one answers one row of a layer with a scale that is not a number.
class LosingExperts : public ExpertBackend {
 public:
  LosingExperts(std::unique_ptr<ExpertBackend> inner, const ModelSpec& spec) : inner_(std::move(inner)), spec_(spec) {}
  void begin_pass(uint64_t pass, std::span<const TraceTag> traces) override { inner_->begin_pass(pass, traces); }
  Status begin(const ExpertBatch& batch) override { return inner_->begin(batch); }
  Status finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) override {
    SWITCHYARD_RETURN_IF_ERROR(inner_->finish(batch, room, outputs));
    const float lost = std::numeric_limits<float>::quiet_NaN();
    std::byte* first = room + (outputs[0] - room);
    if (batch.layer == 1) std::memcpy(first + int8_scale_offset(spec_.hidden_size), &lost, sizeof(lost));
    return {};
  }
  int32_t failed_rank() const override { return -1; }
  ExchangeTimes take_times() override { return {}; }

 private:
  std::unique_ptr<ExpertBackend> inner_;
  ModelSpec spec_;
};

ModelSpec deepseek_v3_shape() {
  ModelSpec s;
  s.hidden_size = 7168;
  s.num_heads = s.num_kv_heads = 128;
  s.kv_lora_rank = 512;
  s.qk_rope_head_dim = 64;
  return s;
}

}  // namespace

TEST(int8_rows_take_a_quarter_on_the_wire_and_a_third_in_the_cache) {
  const ModelSpec plain = deepseek_v3_shape();
  CHECK(plain.expert_row_bytes() == 28672 && in_w8a8(plain).expert_row_bytes() == 7184);
  CHECK(CacheLayout(plain).row_bytes == 2304 && CacheLayout(in_w8a8(plain)).row_bytes == 772);
  ModelSpec grouped = plain;
  grouped.attention = AttentionKind::kGqa;
  grouped.num_kv_heads = 8;
  grouped.head_dim = grouped.v_head_dim = 128;
  CHECK(CacheLayout(grouped).row_bytes == 8192 && CacheLayout(in_w8a8(grouped)).row_bytes == 8 * (512 + 132));
}

TEST(int8_cache_rows_hold_rotated_keys_as_they_are_and_values_to_half_a_step) {
  Random random(test::seed());
  std::normal_distribution<float> normal;
  for (const ModelSpec& spec : {in_w8a8(small_spec()), in_w8a8(small_gqa_spec())}) {
    const CacheLayout layout(spec);
    std::vector<float> numbers(spec.cache_width());
    for (float& x : numbers) x = normal(random);
    std::vector<std::byte> row(layout.row_bytes);
    layout.store(numbers.data(), row.data());
    const bool is_mla = spec.attention == AttentionKind::kMla;
    const float* keys = &numbers[is_mla ? spec.kv_lora_rank : 0];
    CHECK(std::memcmp(row.data() + layout.key_offset, keys, layout.num_groups * layout.key_bytes) == 0);
    for (int g = 0; g < layout.num_groups; ++g) {
      const float* exact = &numbers[(is_mla ? 0 : layout.num_groups * layout.key_dim) + g * layout.value_dim];
      const std::byte* stored = row.data() + layout.value_offset + g * layout.value_bytes;
      std::vector<float> value(layout.value_dim);
      widen_int8_row(stored, value.size(), value.data());
      const float step = int8_row_scale(stored, value.size());
      for (int i = 0; i < layout.value_dim; ++i) CHECK(std::fabs(value[i] - exact[i]) <= 0.5001f * step);
    }
  }
}

TEST(int8_rows_for_float_weights_are_widened) {
  // All matrices in bf16, as a checkpoint may leave some of them.
  const ModelSpec spec = in_w8a8(small_spec());
  const TestWeights weights(small_spec());
  WeightStore store;
  REQUIRE(store.open(weights.plan(), spec.policy).ok());
  ExpertBank bank, plain_bank;
  const auto holds_all = [](int) { return true; };
  REQUIRE(bank.load(spec, store, {0, spec.num_layers}, holds_all).ok());
  REQUIRE(plain_bank.load(small_spec(), store, {0, spec.num_layers}, holds_all).ok());
  Random random(test::seed());
  std::normal_distribution<float> normal;
  std::vector<float> x(spec.hidden_size);
  for (float& number : x) number = normal(random);
  std::vector<std::byte> narrow(spec.expert_row_bytes());
  store_int8_row(quantize_kernels(), x.data(), x.size(), narrow.data());
  widen_int8_row(narrow.data(), x.size(), x.data());
  ThreadPool pool(1);
  const std::byte* rows[] = {narrow.data()};
  const std::byte* plain_rows[] = {reinterpret_cast<const std::byte*>(x.data())};
  const ExpertRows fourth[] = {{4, 1}};
  std::vector<float> exact(spec.hidden_size);
  plain_bank.run(&pool, 1, fourth, plain_rows, reinterpret_cast<std::byte*>(exact.data()));
  std::vector<std::byte> expected(spec.expert_row_bytes());
  store_int8_row(quantize_kernels(), exact.data(), x.size(), expected.data());
  std::vector<std::byte> out(spec.expert_row_bytes());
  bank.run(&pool, 1, fourth, rows, out.data());
  CHECK(std::memcmp(out.data(), expected.data(), int8_row_bytes(x.size())) == 0);
}

TEST(a_lost_row_of_an_expert_fails_its_sequence_and_no_other) {
  const ModelSpec spec = in_w8a8(small_spec());
  const TestWeights weights(spec);
  CoreConfig config = make_config(spec, weights);
  config.experts = std::make_unique<LosingExperts>(std::move(config.experts), spec);
  ExecutorCore core(std::move(config));
  Plan plan;
  plan.master_epoch = 1;
  plan.plan_seq = 1;
  plan.max_prefill_tokens = 64;
  for (const uint64_t seq_id : {1, 2}) {
    SequenceSpec& sequence = plan.add.emplace_back();
    sequence.seq_id = seq_id;
    sequence.tokens = {5, 6, 7};
    sequence.num_prompt_tokens = 3;
    sequence.max_new_tokens = 1;
    sequence.blocks = {static_cast<int32_t>(seq_id)};
  }
  StepEvent event;
  core.apply(std::move(plan), &event);
  core.step(&event);
  REQUIRE(event.failed.size() == 1 && event.tokens.size() == 1 && !event.fault);
  CHECK(event.failed[0].status.code() == Code::kInternal && event.failed[0].seq_id != event.tokens[0].seq_id);
}
