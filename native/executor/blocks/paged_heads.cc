#include "executor/blocks/paged_heads.h"

#include <algorithm>

#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// What a thread takes at once: heads of one group for rows of the batch. The more of them, the less often a key is read.
struct Pieces {
  int rows;
  int heads;
  int row_blocks;
  int head_blocks;
  int count;
};

Pieces cut(int num_rows, int num_groups, int group_heads, int rows, int heads) {
  const int row_blocks = (num_rows + rows - 1) / rows;
  const int head_blocks = (group_heads + heads - 1) / heads;
  return {rows, heads, row_blocks, head_blocks, num_groups * row_blocks * head_blocks};
}

/// As many as the kernel takes together, or fewer, so that each thread has some pieces.
Pieces cut(int num_rows, int num_groups, int group_heads, int num_threads) {
  constexpr int kPiecesPerThread = 4;
  constexpr int kHeadsMin = 4;
  int rows = std::max(1, kBlockQueries / group_heads);
  int heads = group_heads;
  while (num_threads > 1 &&
         cut(num_rows, num_groups, group_heads, rows, heads).count < kPiecesPerThread * num_threads) {
    if (rows > 1) {
      rows = (rows + 1) / 2;
    } else if (heads > kHeadsMin) {
      heads = std::max(kHeadsMin, (heads + 1) / 2);
    } else {
      break;
    }
  }
  return cut(num_rows, num_groups, group_heads, rows, heads);
}

/// Rows [first, end of the same sequence or `end`); returns how many.
int count_run(std::span<const BatchRow> rows, int first, int end) {
  int row = first + 1;
  while (row < end && rows[row].block_table == rows[first].block_table &&
         rows[row].position == rows[row - 1].position + 1)
    ++row;
  return row - first;
}

void attend(const PagedHeads& heads, const CacheLayout& layout, std::span<const BatchRow> rows, int first_row,
            int num_rows, int group, int first_head, int num_heads, const KvLayerView& kv, float* scratch) {
  const size_t row_heads = static_cast<size_t>(layout.num_groups) * heads.group_heads;
  const size_t head = first_row * row_heads + group * heads.group_heads + first_head;
  kernels().paged_attention({.q = heads.q + head * layout.key_dim,
                             .q_stride = row_heads * layout.key_dim,
                             .cache = kv.base,
                             .key_offset = layout.key_offset + group * layout.key_bytes,
                             .value_offset = layout.value_offset + group * layout.value_bytes,
                             .block_stride = kv.block_stride,
                             .row_stride = kv.row_bytes,
                             .has_int8_values = layout.has_int8_values,
                             .int8_key_dim = layout.int8_key_dim,
                             .block_table = rows[first_row].block_table,
                             .block_tokens = kv.block_tokens,
                             .num_rows = num_rows,
                             .num_keys = rows[first_row].position + 1,
                             .window = heads.window,
                             .num_heads = num_heads,
                             .key_dim = layout.key_dim,
                             .value_dim = layout.value_dim,
                             .scale = heads.scale,
                             .out = heads.out + head * layout.value_dim,
                             .out_stride = row_heads * layout.value_dim,
                             .scratch = scratch});
}

}  // namespace

void attend_paged(const PagedHeads& heads, const CacheLayout& layout, std::span<const BatchRow> rows,
                  const KvLayerView& kv, Workspace* ws) {
  const int num_rows = static_cast<int>(rows.size());
  const Pieces pieces = cut(num_rows, layout.num_groups, heads.group_heads, ws->pool->num_threads());
  const auto longest = std::ranges::max_element(rows, {}, &BatchRow::position);
  const int num_keys = heads.window > 0 ? std::min(heads.window, longest->position + 1) : longest->position + 1;
  const size_t piece_work =
      static_cast<size_t>(pieces.rows) * pieces.heads * num_keys * (layout.key_dim + layout.value_dim);
  ws->pool->run_ranges(pieces.count, items_a_piece(piece_work), [&](int first, int end, int worker) {
    for (int piece = first; piece < end; ++piece) {
      // Groups outermost: their keys are read again by the next rows.
      const int group = piece / (pieces.row_blocks * pieces.head_blocks);
      const int first_head = piece % pieces.head_blocks * pieces.heads;
      const int num_heads = std::min(pieces.heads, heads.group_heads - first_head);
      const int block = piece / pieces.head_blocks % pieces.row_blocks;
      const int end_row = std::min(num_rows, (block + 1) * pieces.rows);
      for (int row = block * pieces.rows; row < end_row;) {
        const int run = count_run(rows, row, end_row);
        attend(heads, layout, rows, row, run, group, first_head, num_heads, kv, ws->scratch_of(worker));
        row += run;
      }
    }
  });
}

}  // namespace switchyard::executor
