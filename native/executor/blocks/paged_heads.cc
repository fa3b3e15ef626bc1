#include "executor/blocks/paged_heads.h"

#include <algorithm>

#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// A tile of heads of one group; the kernel takes as many together, so a key is loaded once for them anyhow.
void attend_tile(const PagedHeads& heads, const CacheLayout& layout, const BatchRow& row, size_t row_idx, int group,
                 int first_head, const KvLayerView& kv, float* scratch) {
  const size_t head = (row_idx * layout.num_groups + group) * heads.group_heads + first_head;
  const int num_keys = row.position + 1;
  kernels().paged_attention({.q = heads.q + head * layout.key_dim,
                             .cache = kv.base,
                             .key_offset = layout.key_offset + group * layout.key_bytes,
                             .value_offset = layout.value_offset + group * layout.value_bytes,
                             .block_stride = kv.block_stride,
                             .row_stride = kv.row_bytes,
                             .has_int8_values = layout.has_int8_values,
                             .int8_key_dim = layout.int8_key_dim,
                             .block_table = row.block_table,
                             .block_tokens = kv.block_tokens,
                             .first_key = heads.window > 0 ? std::max(0, num_keys - heads.window) : 0,
                             .num_keys = num_keys,
                             .num_heads = std::min(kHeadTile, heads.group_heads - first_head),
                             .key_dim = layout.key_dim,
                             .value_dim = layout.value_dim,
                             .scale = heads.scale,
                             .out = heads.out + head * layout.value_dim,
                             .scratch = scratch});
}

}  // namespace

void attend_paged(const PagedHeads& heads, const CacheLayout& layout, std::span<const BatchRow> rows,
                  const KvLayerView& kv, Workspace* ws) {
  const int group_tiles = (heads.group_heads + kHeadTile - 1) / kHeadTile;
  const int row_tiles = layout.num_groups * group_tiles;
  const auto longest = std::ranges::max_element(rows, {}, &BatchRow::position);
  const int num_keys = heads.window > 0 ? std::min(heads.window, longest->position + 1) : longest->position + 1;
  const size_t tile_work =
      static_cast<size_t>(std::min(kHeadTile, heads.group_heads)) * num_keys * (layout.key_dim + layout.value_dim);
  const int num_tiles = static_cast<int>(rows.size()) * row_tiles;
  ws->pool->run_ranges(num_tiles, items_a_piece(tile_work), [&](int first, int end, int worker) {
    for (int tile = first; tile < end; ++tile) {
      const int row_idx = tile / row_tiles;
      const int group = tile % row_tiles / group_tiles;
      attend_tile(heads, layout, rows[row_idx], row_idx, group, tile % group_tiles * kHeadTile, kv,
                  ws->scratch_of(worker));
    }
  });
}

}  // namespace switchyard::executor
