#include "executor/blocks/batch.h"

#include <algorithm>

#include "executor/kv/cache_layout.h"
#include "kernels/attention/paged_attention.h"

namespace switchyard::executor {

namespace {

size_t scratch_floats_of(const ModelSpec& spec) {
  const CacheLayout layout(spec);
  const size_t split =
      spec.kernel_class == KernelClass::kMlaSplit ? paged_attention_scratch_floats(spec.head_dim, spec.v_head_dim) : 0;
  return std::max({paged_attention_scratch_floats(layout.key_dim, layout.value_dim), split,
                   kRouterScratch * static_cast<size_t>(spec.num_experts)});
}

}  // namespace

Workspace::Workspace(const ModelSpec& s, int max, ThreadPool* who)
    : max_tokens(max), pool(who), scratch_floats(scratch_floats_of(s)) {
  const size_t n = max;
  const size_t widest_ffn = std::max({s.intermediate_size, s.moe_intermediate_size, s.shared_intermediate_size});
  residual.resize(n * s.hidden_size);
  normed.resize(n * s.hidden_size);
  block_out.resize(n * s.hidden_size);
  q.resize(n * s.num_heads * s.head_dim);
  cache_rows.resize(n * s.cache_width());
  if (s.attention == AttentionKind::kMla) {
    q_latent.resize(n * s.q_lora_rank);
    q_absorbed.resize(n * s.num_heads * s.cache_width());
    context.resize(n * s.num_heads * s.kv_lora_rank);
    head_products.resize(s.num_heads);
    head_inputs.resize(s.num_heads);
  }
  value.resize(n * s.num_heads * s.v_head_dim);
  scratch.resize(pool->num_threads() * scratch_floats);
  gate_up.resize(n * 2 * widest_ffn);
  activated.resize(n * widest_ffn);
  gate_logits.resize(n * s.num_experts);
  expert_ids.resize(n * s.ffn_units_per_token());
  expert_weights.resize(n * s.num_experts_per_token);
  if (s.has_shared_expert_gate) shared_gate.resize(n);
  if (s.has_int8_expert_rows()) expert_rows.resize(n * s.expert_row_bytes());
  expert_room.resize(n * s.ffn_units_per_token() * s.expert_row_bytes());
  expert_outputs.resize(n * s.ffn_units_per_token());
  if (s.num_mtp_layers > 0) joined.resize(n * 2 * s.hidden_size);
}

}  // namespace switchyard::executor
