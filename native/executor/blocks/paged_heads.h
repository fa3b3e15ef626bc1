// Attention of a batch's rows over the paged cache, shared among the threads by key heads, rows and heads. Called by both kinds of attention block.
#pragma once

#include <span>

#include "executor/blocks/batch.h"
#include "executor/blocks/shared_work.h"
#include "executor/kv/cache_layout.h"
#include "executor/kv/kv_pool.h"

namespace switchyard::executor {

/// Query heads in groups, each of which reads one key head (one group in absorbed multi-head latent attention).
struct PagedHeads {
  const float* q;  // [rows][layout.num_groups * group_heads][key_dim], rotated
  float* out;      // [rows][layout.num_groups * group_heads][value_dim]
  int group_heads;
  int window;  // keys that a query sees; 0: all
  float scale;
  // What reads the heads' output, [heads], made ready for it while that is near: inputs as reserve_inputs leaves them. Or nothing.
  std::span<const SharedProduct> readers = {};
  InputStorage* reader_inputs = nullptr;
};

/// rows: one or more. Scratch of the workspace: a thread's own.
void attend_paged(const PagedHeads& heads, const CacheLayout& layout, std::span<const BatchRow> rows,
                  const KvLayerView& kv, Workspace* ws);

}  // namespace switchyard::executor
