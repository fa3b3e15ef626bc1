#include "executor/blocks/attention_block.h"

#include <cmath>

#include "executor/blocks/gqa_attention.h"
#include "executor/blocks/mla_attention.h"
#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {
namespace {

/// Of a number that goes into the cache, in multiply-adds.
constexpr size_t kStoreWork = 4;

}  // namespace

Status AttentionBlock::load(const ModelSpec& s, const WeightStore& store, const std::string& prefix, int layer,
                            std::unique_ptr<AttentionBlock>* out) {
  std::unique_ptr<AttentionBlock> block;
  if (s.attention == AttentionKind::kMla) {
    block = std::make_unique<MlaAttention>();
  } else {
    block = std::make_unique<GqaAttention>();
  }
  const std::string attn = prefix + ".self_attn.";
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + ".input_layernorm.weight", s.hidden_size, &block->input_norm_));
  SWITCHYARD_RETURN_IF_ERROR(block->load_inputs(s, store, attn, layer));
  SWITCHYARD_RETURN_IF_ERROR(
      store.load_matrix(attn + "o_proj.weight", s.hidden_size, s.num_heads * s.v_head_dim, &block->o_));
  if (s.has_output_bias)
    SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "o_proj.bias", s.hidden_size, &block->o_bias_));
  block->scale_ = static_cast<float>(s.attention_scale_factor / std::sqrt(static_cast<double>(s.head_dim)));
  block->layout_ = CacheLayout(s);
  *out = std::move(block);
  return {};
}

void AttentionBlock::fill_cache(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                                const RopeTable& rope, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  shared_rmsnorm(ws->pool, ws->residual.data(), input_norm_.data(), ws->normed.data(), n, s.hidden_size,
                 s.rms_norm_eps);
  project(s, rows, rope, ws);
  store_cache_rows(s, rows, kv, ws);
}

void AttentionBlock::forward(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                             const RopeTable& rope, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  fill_cache(s, rows, kv, rope, ws);
  attend(s, rows, kv, ws);
  const size_t value_stride = static_cast<size_t>(s.num_heads) * s.v_head_dim;
  shared_product(ws->pool, o_, ws->value.data(), value_stride, ws->block_out.data(), s.hidden_size, n, s.num_slices);
  add_bias(o_bias_, ws->block_out.data(), s.hidden_size, n);
  add_to(ws->residual.data(), ws->block_out.data(), static_cast<size_t>(n) * s.hidden_size);
}

/// Before any row of the batch attends, so that all of them read what the cache holds.
void AttentionBlock::store_cache_rows(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                                      Workspace* ws) const {
  const size_t width = s.cache_width();
  share_items(ws->pool, static_cast<int>(rows.size()), kStoreWork * width, [&](int first, int end, int) {
    for (int i = first; i < end; ++i) {
      const int position = rows[i].position;
      std::byte* entry = kv.row(rows[i].block_table[position / kv.block_tokens], position % kv.block_tokens);
      layout_.store(&ws->cache_rows[i * width], entry);
    }
  });
}

}  // namespace switchyard::executor
