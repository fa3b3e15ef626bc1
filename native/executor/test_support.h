// For tests: a model of odd sizes with random weights, in a memfd that the weight plan names as a file; and a rank made from it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "executor/blocks/local_experts.h"
#include "executor/loop/executor_core.h"
#include "test/test.h"

namespace switchyard::executor::testing {

using Random = std::mt19937_64;

inline ModelSpec small_spec() {
  ModelSpec s;
  s.vocab_size = 101;
  s.hidden_size = 40;
  s.num_layers = 3;
  s.num_dense_layers = 1;
  s.num_heads = 6;
  s.num_kv_heads = 6;
  s.head_dim = 16;
  s.q_lora_rank = 20;
  s.kv_lora_rank = 24;
  s.qk_nope_head_dim = 10;
  s.qk_rope_head_dim = 6;
  s.v_head_dim = 9;
  s.rope.rotary_dim = 6;
  s.intermediate_size = 44;
  s.moe_intermediate_size = 18;
  s.num_experts = 9;
  s.num_experts_per_token = 3;
  s.num_shared_experts = 1;
  s.shared_intermediate_size = 18;
  s.num_expert_groups = 3;
  s.num_topk_groups = 2;
  s.routed_scaling_factor = 1.5f;
  s.max_positions = 640;
  s.num_slices = 2;
  return s;
}

/// Grouped queries with all that they may have, a softmax router, a shared expert behind a gate, a dense layer after the experts.
inline ModelSpec small_gqa_spec() {
  ModelSpec s = small_spec();
  s.attention = AttentionKind::kGqa;
  s.num_dense_layers = 0;
  s.extra_dense_layers = {2};
  s.tie_word_embeddings = true;
  s.num_kv_heads = 2;
  s.head_dim = s.v_head_dim = 11;
  s.qk_norm = QkNorm::kHead;
  s.has_qkv_bias = s.has_output_bias = s.has_ffn_bias = true;
  s.sliding_window = 21;
  s.sliding_layers = {1, 2};
  s.rope = {.rotary_dim = 6,
            .is_interleaved = false,
            .scaling = RopeScaling::kDynamic,
            .factor = 2.0,
            .original_max_positions = 50};
  s.shared_intermediate_size = 14;
  s.has_shared_expert_gate = true;
  s.router = RouterScore::kSoftmax;
  s.has_router_bias = false;
  s.group_score = GroupScore::kLargest;
  return s;
}

inline ModelSpec small_dense_spec() {
  ModelSpec s = small_gqa_spec();
  s.num_dense_layers = s.num_layers;
  s.extra_dense_layers = {};
  s.num_experts = s.num_experts_per_token = s.num_shared_experts = s.shared_intermediate_size = 0;
  s.has_shared_expert_gate = false;
  s.qk_norm = QkNorm::kFull;
  s.rope.scaling = RopeScaling::kYarn;
  return s;
}

/// The spec with an MTP layer, and with so few tokens that random weights make it right often and wrong often.
inline ModelSpec drafting(ModelSpec s) {
  s.vocab_size = 5;
  s.num_mtp_layers = 1;
  return s;
}

/// The spec with matrices so large that threads share them.
inline ModelSpec widened(ModelSpec s) {
  s.vocab_size = 1030;
  s.hidden_size = 168;
  s.intermediate_size = 200;
  if (s.num_experts > 0) s.moe_intermediate_size = 72;
  return s;
}

/// The spec as it is served in policy w8a8.
inline ModelSpec in_w8a8(ModelSpec s) {
  s.policy = WeightPolicy::kW8a8;
  return s;
}

/// The spec as it is served in policy block-a8, with rows of whole blocks.
inline ModelSpec in_block_a8(ModelSpec s) {
  s.policy = WeightPolicy::kBlockA8;
  s.hidden_size = s.kv_lora_rank = s.intermediate_size = 64;
  s.q_lora_rank = s.moe_intermediate_size = s.shared_intermediate_size = 32;
  return s;
}

/// The spec with kv_b_proj in two tensors, as GGUF files have it.
inline ModelSpec with_split_kv_b(ModelSpec s) {
  s.has_split_kv_b = true;
  return s;
}

/// The spec as it is served in kernel class mla-split.
inline ModelSpec in_mla_split(ModelSpec s) {
  s.kernel_class = KernelClass::kMlaSplit;
  return s;
}

/// Random weights of a spec, plain or, in policy w8a8, with int8 projections that have a scale a row, or, in policy block-a8, with projections
/// in Q8_0 as far as their rows are whole blocks. The memfd lives as long as this object.
class TestWeights {
 public:
  explicit TestWeights(const ModelSpec& s, uint64_t seed = 1) : random_(seed), policy_(s.policy) {
    add("model.embed_tokens.weight", {s.vocab_size, s.hidden_size}, 1.0f);
    add("lm_head.weight", {s.vocab_size, s.hidden_size}, 0.6f);
    add("model.norm.weight", {s.hidden_size}, 0.0f);
    for (int i = 0; i < s.num_layers; ++i) add_layer(s, i);
    if (s.num_mtp_layers > 0) add_mtp(s);
    fd_ = memfd_create("switchyard-test-weights", MFD_CLOEXEC);
    REQUIRE(write(fd_, bytes_.data(), bytes_.size()) == static_cast<ssize_t>(bytes_.size()));
    for (WeightTensor& tensor : plan_.tensors) {
      tensor.file = path();
      if (!tensor.scales) continue;
      WeightTensor scales = *tensor.scales;
      scales.file = path();
      tensor.scales = std::make_shared<WeightTensor>(std::move(scales));
    }
  }
  ~TestWeights() { close(fd_); }
  TestWeights(const TestWeights&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  const WeightPlan& plan() const { return plan_; }
  WeightPolicy policy() const { return policy_; }
  int fd() const { return fd_; }
  size_t num_bytes() const { return bytes_.size(); }

 private:
  void add_mtp(const ModelSpec& s) {
    const std::string p = "model.layers." + std::to_string(s.num_layers) + ".";
    for (const char* norm : {"enorm", "hnorm", "shared_head.norm"}) add(p + norm + ".weight", {s.hidden_size}, 0.0f);
    add(p + "eh_proj.weight", {s.hidden_size, 2 * s.hidden_size}, 0.2f);
    add(p + "shared_head.head.weight", {s.vocab_size, s.hidden_size}, 0.6f);
    add_layer(s, s.num_layers);
  }

  void add_layer(const ModelSpec& s, int layer) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    add(p + "input_layernorm.weight", {s.hidden_size}, 0.0f);
    add(p + "post_attention_layernorm.weight", {s.hidden_size}, 0.0f);
    if (s.attention == AttentionKind::kMla) {
      add_mla(s, p + "self_attn.");
    } else {
      add_gqa(s, p + "self_attn.");
    }
    add_product(p + "self_attn.o_proj", {s.hidden_size, s.num_heads * s.v_head_dim}, 0.2f, s.has_output_bias);
    if (!s.is_moe_layer(layer)) return add_ffn(p + "mlp", s.hidden_size, s.intermediate_size, s.has_ffn_bias);
    add(p + "mlp.gate.weight", {s.num_experts, s.hidden_size}, 0.3f);
    if (s.has_router_bias) add(p + "mlp.gate.e_score_correction_bias", {s.num_experts}, 0.05f, StoredType::kF32);
    if (s.has_shared_expert_gate) add(p + "mlp.shared_expert_gate.weight", {1, s.hidden_size}, 0.3f);
    add_ffn(p + "mlp.shared_experts", s.hidden_size, s.shared_intermediate_size, s.has_ffn_bias);
    for (int e = 0; e < s.num_experts; ++e)
      add_ffn(p + "mlp.experts." + std::to_string(e), s.hidden_size, s.moe_intermediate_size, false);
  }

  void add_mla(const ModelSpec& s, const std::string& p) {
    add_product(p + "q_a_proj", {s.q_lora_rank, s.hidden_size}, 0.3f, s.has_qkv_bias);
    add(p + "q_a_layernorm.weight", {s.q_lora_rank}, 0.0f);
    add(p + "q_b_proj.weight", {s.num_heads * s.head_dim, s.q_lora_rank}, 0.3f);
    add_product(p + "kv_a_proj_with_mqa", {s.cache_width(), s.hidden_size}, 0.3f, s.has_qkv_bias);
    add(p + "kv_a_layernorm.weight", {s.kv_lora_rank}, 0.0f);
    if (s.has_split_kv_b) {
      add(p + "k_b_proj.weight", {s.num_heads, s.kv_lora_rank, s.qk_nope_head_dim}, 0.3f);
      add(p + "v_b_proj.weight", {s.num_heads, s.v_head_dim, s.kv_lora_rank}, 0.3f);
    } else {
      add(p + "kv_b_proj.weight", {s.num_heads * (s.qk_nope_head_dim + s.v_head_dim), s.kv_lora_rank}, 0.3f);
    }
  }

  void add_gqa(const ModelSpec& s, const std::string& p) {
    add_product(p + "q_proj", {s.num_heads * s.head_dim, s.hidden_size}, 0.3f, s.has_qkv_bias);
    add_product(p + "k_proj", {s.num_kv_heads * s.head_dim, s.hidden_size}, 0.3f, s.has_qkv_bias);
    add_product(p + "v_proj", {s.num_kv_heads * s.head_dim, s.hidden_size}, 0.3f, s.has_qkv_bias);
    const bool is_full = s.qk_norm == QkNorm::kFull;
    add(p + "q_norm.weight", {is_full ? s.num_heads * s.head_dim : s.head_dim}, 0.0f);
    add(p + "k_norm.weight", {is_full ? s.num_kv_heads * s.head_dim : s.head_dim}, 0.0f);
  }

  void add_ffn(const std::string& prefix, int hidden, int intermediate, bool has_bias) {
    add_product(prefix + ".gate_proj", {intermediate, hidden}, 0.3f, has_bias);
    add_product(prefix + ".up_proj", {intermediate, hidden}, 0.3f, has_bias);
    add_product(prefix + ".down_proj", {hidden, intermediate}, 0.3f, has_bias);
  }

  void add_product(const std::string& prefix, std::vector<int64_t> shape, float deviation, bool has_bias) {
    const int64_t num_rows = shape[0];
    add(prefix + ".weight", std::move(shape), deviation);
    if (has_bias) add(prefix + ".bias", {num_rows}, 0.1f);
  }

  static constexpr float kByteDeviation = 74;

  /// Any codes; scales of about what makes numbers deviate as told.
  void add_q8_0(const std::string& name, std::vector<int64_t> shape, float deviation) {
    constexpr int kBlockElements = 32;
    const size_t first = bytes_.size();
    size_t num_blocks = 1;
    for (const int64_t d : shape) num_blocks *= d;
    num_blocks /= kBlockElements;
    const int exponent = static_cast<int>(std::lround(std::log2(deviation / kByteDeviation)));
    for (size_t i = 0; i < num_blocks; ++i) {
      const auto scale = static_cast<uint16_t>((exponent + 15) << 10 | random_() % 1024);  // fp16
      const auto* scale_bytes = reinterpret_cast<const std::byte*>(&scale);
      bytes_.insert(bytes_.end(), scale_bytes, scale_bytes + sizeof(scale));
      for (int k = 0; k < kBlockElements; ++k) bytes_.push_back(static_cast<std::byte>(random_()));
    }
    plan_.tensors.push_back({name, "", first, bytes_.size() - first, StoredType::kQ8_0, std::move(shape)});
  }

  /// Any bytes; a scale of every row, so that numbers deviate as told.
  void add_int8(const std::string& name, std::vector<int64_t> shape, float deviation) {
    const size_t first = bytes_.size();
    const size_t count = shape[0] * shape[1];
    for (size_t i = 0; i < count; ++i) bytes_.push_back(static_cast<std::byte>(random_()));
    plan_.tensors.push_back({name, "", first, count, StoredType::kI8, shape, nullptr, {1, shape[1]}});
    add(name + "_scale", {shape[0], 1}, deviation / kByteDeviation, StoredType::kF32);
    auto scales = std::make_shared<WeightTensor>(plan_.tensors.back());
    plan_.tensors.pop_back();
    plan_.tensors.back().scales = std::move(scales);
  }

  /// Normal numbers of this deviation; a deviation of 0 means a norm's weight, about 1.
  void add(const std::string& name, std::vector<int64_t> shape, float deviation, StoredType dtype = StoredType::kBf16) {
    if (policy_ == WeightPolicy::kW8a8 && name.ends_with("_proj.weight"))
      return add_int8(name, std::move(shape), deviation);
    if (policy_ == WeightPolicy::kBlockA8 && name.ends_with("_proj.weight") && shape.back() % 32 == 0)
      return add_q8_0(name, std::move(shape), deviation);
    std::normal_distribution<float> normal(deviation == 0.0f ? 1.0f : 0.0f, deviation == 0.0f ? 0.1f : deviation);
    size_t count = 1;
    for (const int64_t d : shape) count *= d;
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
    plan_.tensors.push_back(
        {name, "", bytes_.size(), count * stored_layout(dtype).block_bytes, dtype, std::move(shape)});
    for (size_t i = 0; i < count; ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(normal(random_));
      const auto* from = reinterpret_cast<const std::byte*>(&bits);
      bytes_.insert(bytes_.end(), dtype == StoredType::kF32 ? from : from + 2, from + 4);
    }
  }

  Random random_;
  WeightPolicy policy_;
  WeightPlan plan_;
  std::vector<std::byte> bytes_;
  int fd_ = -1;
};

struct RankOptions {
  int num_blocks = 64;
  int block_tokens = 8;
  int max_batch_tokens = 32;
  int max_pass_tokens = 32;
  int num_threads = 1;
  int num_speculative_tokens = 0;
};

/// A rank's parts with local experts; tests replace what they need.
inline CoreConfig make_config(const ModelSpec& spec, const TestWeights& weights, const RankOptions& options = {}) {
  CoreConfig config;
  WeightStore store;
  CHECK(store.open(weights.plan(), weights.policy()).ok());
  const bool drafts = options.num_speculative_tokens > 0;
  const Status loaded = Model::load(spec, store, drafts, &config.model);
  if (!loaded.ok()) std::printf("%s\n", loaded.message().c_str());
  CHECK(loaded.ok());
  ExpertBank bank;
  CHECK(bank.load(spec, store, {0, spec.num_layers}, [](int) { return true; }).ok());
  config.pool = std::make_unique<ThreadPool>(options.num_threads);
  config.experts = std::make_unique<LocalExperts>(spec, std::move(bank), config.pool.get());
  if (drafts) {
    ExpertBank mtp_bank;
    CHECK(mtp_bank.load(spec, store, {spec.num_layers, spec.num_layers + 1}, [](int) { return true; }).ok());
    config.mtp_experts = std::make_unique<LocalExperts>(spec, std::move(mtp_bank), config.pool.get());
    config.num_speculative_tokens = options.num_speculative_tokens;
  }
  const int num_kv_layers = spec.num_layers + (drafts ? 1 : 0);
  CHECK(
      KvPool::create(num_kv_layers, CacheLayout(spec), options.num_blocks, options.block_tokens, {}, &config.kv).ok());
  config.max_batch_tokens = options.max_batch_tokens;
  config.max_pass_tokens = options.max_pass_tokens;
  return config;
}

/// What a test wants generated.
struct Job {
  std::vector<int32_t> prompt;
  int max_new_tokens = 0;
  SamplingParams sampling;
};

inline Job random_job(const ModelSpec& spec, Random& random) {
  Job job;
  // One in four is long enough for two chunks of attention.
  job.prompt.resize(1 + random() % 60 + (random() % 4 == 0 ? 240 : 0));
  for (int32_t& token : job.prompt) token = static_cast<int32_t>(random() % spec.vocab_size);
  job.max_new_tokens = 1 + static_cast<int>(random() % 40);
  const bool is_greedy = random() % 3 == 0;
  job.sampling = {.temperature = is_greedy ? 0.0f : 0.9f,
                  .top_k = static_cast<int>(random() % 2 * 20),
                  .top_p = random() % 2 ? 0.9f : 1.0f,
                  .min_p = 0.0f,
                  .seed = random(),
                  .logprobs = true,
                  .top_logprobs = 2};
  return job;
}

inline bool same_token(const SampledToken& a, const SampledToken& b) {
  return a.token_id == b.token_id && std::bit_cast<uint32_t>(a.logprob) == std::bit_cast<uint32_t>(b.logprob) &&
         a.top_ids == b.top_ids && a.top_logprobs == b.top_logprobs;
}

/// The job alone, its prompt in one piece: what every schedule must give.
inline std::vector<SampledToken> run_alone(const ModelSpec& spec, const TestWeights& weights, const Job& job,
                                           int num_threads = 1) {
  CoreConfig config = make_config(spec, weights,
                                  {.num_blocks = 64,
                                   .block_tokens = 16,
                                   .max_batch_tokens = 128,
                                   .max_pass_tokens = 128,
                                   .num_threads = num_threads});
  ExecutorCore core(std::move(config));
  Plan plan;
  plan.master_epoch = 1;
  plan.plan_seq = 1;
  plan.max_prefill_tokens = 128;
  SequenceSpec& sequence = plan.add.emplace_back();
  sequence.seq_id = 1;
  sequence.tokens = job.prompt;
  sequence.num_prompt_tokens = static_cast<int>(job.prompt.size());
  sequence.sampling = job.sampling;
  sequence.max_new_tokens = job.max_new_tokens;
  for (int i = 0; i < 40; ++i) sequence.blocks.push_back(i);
  std::vector<SampledToken> tokens;
  StepEvent event;
  core.apply(std::move(plan), &event);
  while (core.has_work()) {
    event = {};
    core.step(&event);
    CHECK(event.failed.empty() && !event.fault);
    for (StepToken& token : event.tokens) tokens.push_back(std::move(token.token));
  }
  CHECK(tokens.size() == static_cast<size_t>(job.max_new_tokens));
  return tokens;
}

/// Random jobs, and what each gives alone.
struct ExpectedJobs {
  ExpectedJobs(const ModelSpec& spec, const TestWeights& weights, int count, Random& random) {
    for (int i = 0; i < count; ++i) {
      jobs.push_back(random_job(spec, random));
      expected.push_back(run_alone(spec, weights, jobs.back()));
    }
  }

  std::vector<Job> jobs;
  std::vector<std::vector<SampledToken>> expected;
};

}  // namespace switchyard::executor::testing
