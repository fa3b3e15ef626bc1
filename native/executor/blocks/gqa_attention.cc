#include "executor/blocks/gqa_attention.h"

#include <algorithm>

#include "executor/blocks/vector_ops.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Normalises x [heads][head_dim] in place: head by head, or all heads at once where the weight spans them. Without a weight, nothing.
void norm_heads(const std::vector<float>& weight, float* x, int num_heads, int head_dim, float eps) {
  if (weight.empty()) return;
  const int size = static_cast<int>(weight.size());
  rmsnorm_rows(x, weight.data(), x, num_heads * head_dim / size, size, eps);
}

}  // namespace

Status GqaAttention::load_inputs(const ModelSpec& s, const WeightStore& store, const std::string& attn, int layer) {
  window_ = s.window_of(layer);
  const int query_dim = s.num_heads * s.head_dim;
  const int key_dim = s.num_kv_heads * s.head_dim;
  SWITCHYARD_RETURN_IF_ERROR(q_.load(store, attn + "q_proj", query_dim, s.hidden_size, s.has_qkv_bias));
  SWITCHYARD_RETURN_IF_ERROR(k_.load(store, attn + "k_proj", key_dim, s.hidden_size, s.has_qkv_bias));
  SWITCHYARD_RETURN_IF_ERROR(v_.load(store, attn + "v_proj", key_dim, s.hidden_size, s.has_qkv_bias));
  if (s.qk_norm == QkNorm::kNone) return {};
  const bool is_full = s.qk_norm == QkNorm::kFull;
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "q_norm.weight", is_full ? query_dim : s.head_dim, &q_norm_));
  return store.load_vector(attn + "k_norm.weight", is_full ? key_dim : s.head_dim, &k_norm_);
}

void GqaAttention::project(const ModelSpec& s, std::span<const BatchRow> rows, const RopeTable& rope,
                           Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t q_stride = static_cast<size_t>(s.num_heads) * s.head_dim;
  const size_t row_stride = s.cache_width();
  const size_t key_floats = static_cast<size_t>(s.num_kv_heads) * s.head_dim;
  q_.apply(ws->normed.data(), ws->q.data(), q_stride, n);
  k_.apply(ws->normed.data(), ws->cache_rows.data(), row_stride, n);
  v_.apply(ws->normed.data(), &ws->cache_rows[key_floats], row_stride, n);
  for (int i = 0; i < n; ++i) {
    float* q = &ws->q[i * q_stride];
    float* k = &ws->cache_rows[i * row_stride];
    norm_heads(q_norm_, q, s.num_heads, s.head_dim, s.rms_norm_eps);
    norm_heads(k_norm_, k, s.num_kv_heads, s.head_dim, s.rms_norm_eps);
    rope.rotate(rows[i].position, q, s.num_heads, s.head_dim);
    rope.rotate(rows[i].position, k, s.num_kv_heads, s.head_dim);
  }
}

void GqaAttention::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                          Workspace* ws) const {
  const int group_size = s.num_heads / s.num_kv_heads;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int num_keys = rows[i].position + 1;
    for (int g = 0; g < s.num_kv_heads; ++g) {
      const size_t first = (i * s.num_heads + g * group_size) * s.head_dim;
      kernels().paged_attention({.q = &ws->q[first],
                                 .cache = kv.base + g * s.head_dim,
                                 .value_offset = static_cast<size_t>(s.num_kv_heads) * s.head_dim,
                                 .block_stride = kv.block_stride,
                                 .row_stride = static_cast<size_t>(kv.width),
                                 .block_table = rows[i].block_table,
                                 .block_tokens = kv.block_tokens,
                                 .first_key = window_ > 0 ? std::max(0, num_keys - window_) : 0,
                                 .num_keys = num_keys,
                                 .num_heads = group_size,
                                 .key_dim = s.head_dim,
                                 .value_dim = s.head_dim,
                                 .scale = scale_,
                                 .out = &ws->value[first],
                                 .scratch = ws->scratch.data()});
    }
  }
}

}  // namespace switchyard::executor
