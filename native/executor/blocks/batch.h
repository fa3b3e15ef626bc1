// One forward pass: rows of any mixture of sequences, and the working memory that blocks share. No ownership of sequences or of the cache.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "executor/blocks/shared_work.h"
#include "executor/blocks/split_room.h"
#include "executor/model_spec.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard::executor {

/// A token at a position of a sequence. Rows of one sequence stand in ascending position, and all earlier positions are in the cache
/// or earlier in the batch.
struct BatchRow {
  int32_t token;
  int32_t position;
  const int32_t* block_table;  // covers `position`
  bool is_prompt = false;      // of the sequence's prompt and in a main layer
};

/// How many of some rows, from the first on, are of the same sequence and at consecutive positions.
inline int count_run(std::span<const BatchRow> rows) {
  size_t count = 1;
  while (count < rows.size() && rows[count].block_table == rows[0].block_table &&
         rows[count].position == rows[count - 1].position + 1)
    ++count;
  return static_cast<int>(count);
}

/// Activations of at most max_tokens rows; made once, so that a step allocates nothing.
struct Workspace {
  /// pool: outlives the workspace.
  Workspace(const ModelSpec& spec, int max_tokens, ThreadPool* pool);

  /// What attention and router need beside; one thread's own.
  float* scratch_of(int worker) { return &scratch[worker * scratch_floats]; }

  int max_tokens;
  ThreadPool* pool;                    // who computes
  size_t scratch_floats;               // of one thread
  std::vector<float> residual;         // [n][hidden]: the stream h
  std::vector<float> normed;           // [n][hidden]
  std::vector<float> block_out;        // [n][hidden]
  std::vector<float> q;                // [n][heads][head_dim]
  std::vector<float> cache_rows;       // [n][cache_width]: what the rows put into the cache
  std::vector<float> q_latent;         // [n][q_lora_rank], MLA, as the two that follow
  std::vector<float> q_absorbed;       // [n][heads][kv_lora_rank + rope]
  std::vector<float> context;          // [n][heads][kv_lora_rank]
  std::vector<float> value;            // [n][heads][v_head_dim]
  std::vector<float> scratch;          // [threads][scratch_floats]
  std::vector<float> gate_up;          // [n][2 * widest FFN]
  std::vector<float> activated;        // [n][widest FFN]
  std::vector<float> gate_logits;      // [n][num_experts]
  std::vector<int32_t> expert_ids;     // [n][ffn_units_per_token]
  std::vector<float> expert_weights;   // [n][top_k]
  std::vector<float> shared_gate;      // [n]
  std::vector<std::byte> expert_rows;  // [n][expert_row_bytes], INT8; of fp32, `normed` is what experts are given
  Int8Activations shared_input;        // the same for the shared expert
  std::vector<std::byte> expert_room;  // [n][ffn_units_per_token][expert_row_bytes]: what local experts give
  std::vector<const std::byte*> expert_outputs;  // [n][ffn_units_per_token]: where an expert's output lies
  std::vector<float> joined;                     // [n][2 * hidden], of models with an MTP layer: what it begins with

  // MLA: the heads' products with kv_b_proj that run, and their inputs, [heads].
  std::vector<SharedProduct> head_products;
  std::vector<InputStorage> head_inputs;
  SplitRoom split;  // empty in kernel classes but mla-split
};

}  // namespace switchyard::executor
