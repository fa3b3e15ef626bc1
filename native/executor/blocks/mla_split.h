// Attention of prompts in kernel class mla-split (docs/numerics.md, "Split latent attention"): the keys and values of some heads at a time are
// widened from the latents of all keys that a sequence's rows see, and attended to as those of any head. Called by MlaAttention.
#pragma once

#include <span>
#include <vector>

#include "executor/blocks/batch.h"
#include "executor/kv/cache_layout.h"
#include "executor/kv/kv_pool.h"

namespace switchyard::executor {

/// What widens a latent, a matrix a head; none in other kernel classes.
struct LatentWideners {
  std::vector<PackedMatrix> keys;    // [qk_nope_head_dim rows, kv_lora_rank columns]: W_uk
  std::vector<PackedMatrix> values;  // [v_head_dim rows, kv_lora_rank columns]: W_uv
};

/// Rows of prompts, whose keys stand in the cache.
struct SplitRows {
  std::span<const BatchRow> rows;
  const float* q;  // [rows][heads][qk_nope_head_dim + qk_rope_head_dim], rotated
  float* out;      // [rows][heads][v_head_dim]
  float scale;
};

void attend_split(const ModelSpec& spec, const LatentWideners& wideners, const CacheLayout& layout,
                  const SplitRows& prompts, const KvLayerView& kv, Workspace* ws);

}  // namespace switchyard::executor
