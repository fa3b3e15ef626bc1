#include "executor/blocks/gqa_attention.h"

#include "executor/blocks/paged_heads.h"
#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {
namespace {

/// Of a number of a query or key that is normalised and turned, in multiply-adds.
constexpr size_t kTurnWork = 8;

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
  const Projection projections[] = {{&q_, ws->q.data(), q_stride},
                                    {&k_, ws->cache_rows.data(), row_stride},
                                    {&v_, &ws->cache_rows[key_floats], row_stride}};
  project_all(ws->pool, projections, ws->normed.data(), n);
  share_items(ws->pool, n, kTurnWork * (q_stride + key_floats), [&](int first, int end, int) {
    for (int i = first; i < end; ++i) {
      float* q = &ws->q[i * q_stride];
      float* k = &ws->cache_rows[i * row_stride];
      norm_heads(q_norm_, q, s.num_heads, s.head_dim, s.rms_norm_eps);
      norm_heads(k_norm_, k, s.num_kv_heads, s.head_dim, s.rms_norm_eps);
      rope.rotate(rows[i].position, q, s.num_heads, s.head_dim);
      rope.rotate(rows[i].position, k, s.num_kv_heads, s.head_dim);
    }
  });
}

void GqaAttention::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                          Workspace* ws) const {
  attend_paged({.q = ws->q.data(),
                .out = ws->value.data(),
                .group_heads = s.num_heads / s.num_kv_heads,
                .window = window_,
                .scale = scale_},
               layout_, rows, kv, ws);
}

}  // namespace switchyard::executor
