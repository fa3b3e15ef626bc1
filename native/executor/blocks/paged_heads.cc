#include "executor/blocks/paged_heads.h"

#include <algorithm>

#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// How the work is cut: a piece is some heads of one group for some rows of the batch. The more of them, the less often a key is read.
struct Cut {
  int num_rows;  // of the batch
  int num_groups;
  int group_heads;
  int rows;   // of a piece
  int heads;  // of a piece

  int row_blocks() const { return (num_rows + rows - 1) / rows; }
  int head_blocks() const { return (group_heads + heads - 1) / heads; }
  int num_pieces() const { return num_groups * row_blocks() * head_blocks(); }
};

/// What the threads of a pool have to do together.
struct Load {
  int num_threads;
  int64_t most_keys;  // that a row sees
  int64_t num_keys;   // that all rows see, one row after the other
};

/// How long the threads take for a cut, in products of a key and a head: the longest piece, or as many rounds of mean ones as it takes. Each
/// piece reads its keys, which takes as long as the products of some heads (measured: 1 to 3 with AVX2, 2 to 5 with AVX-512).
int64_t time_of(const Cut& cut, const Load& load) {
  constexpr int kHeadsOfReading = 3;
  const int64_t a_key = cut.heads + kHeadsOfReading;
  const int64_t all = load.num_keys * cut.num_groups * cut.head_blocks() * a_key;
  const int64_t rounds = (cut.num_pieces() + load.num_threads - 1) / load.num_threads;
  return std::max(load.most_keys * cut.rows * a_key, all / cut.num_pieces() * rounds);
}

/// As many rows and heads as the kernel takes together. Fewer rows, so that there are some pieces for each thread; fewer heads, which read the
/// same keys once more, only where that lets the threads end sooner.
Cut cut_for(const Load& load, int num_rows, int num_groups, int group_heads) {
  constexpr int kPiecesPerThread = 4;
  constexpr int kHeadsMin = 4;
  Cut cut{num_rows, num_groups, group_heads, std::max(1, kBlockQueries / group_heads), group_heads};
  const int wanted = load.num_threads > 1 ? kPiecesPerThread * load.num_threads : 1;
  while (cut.rows > 1 && cut.num_pieces() < wanted) cut.rows = (cut.rows + 1) / 2;
  while (cut.heads > kHeadsMin) {
    Cut finer = cut;
    finer.heads = std::max(kHeadsMin, (cut.heads + 1) / 2);
    if (time_of(finer, load) >= time_of(cut, load)) break;
    cut = finer;
  }
  return cut;
}

Load load_of(int num_threads, std::span<const BatchRow> rows, int window) {
  Load load{num_threads, 0, 0};
  for (const BatchRow& row : rows) {
    const int64_t num_keys = window > 0 ? std::min(window, row.position + 1) : row.position + 1;
    load.most_keys = std::max(load.most_keys, num_keys);
    load.num_keys += num_keys;
  }
  return load;
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

/// Makes rows [first_row, end_row) of some heads' output ready for what reads it.
void fill_readers(const PagedHeads& heads, int first_row, int end_row, int first_head, int num_heads) {
  if (heads.readers.empty()) return;
  for (int h = first_head; h < first_head + num_heads; ++h)
    fill_input(*heads.readers[h].w, heads.readers[h].input, first_row, end_row, &heads.reader_inputs[h]);
}

}  // namespace

void attend_paged(const PagedHeads& heads, const CacheLayout& layout, std::span<const BatchRow> rows,
                  const KvLayerView& kv, Workspace* ws) {
  const int num_rows = static_cast<int>(rows.size());
  const Load load = load_of(ws->pool->num_threads(), rows, heads.window);
  const Cut cut = cut_for(load, num_rows, layout.num_groups, heads.group_heads);
  const size_t piece_work =
      static_cast<size_t>(cut.rows) * cut.heads * load.most_keys * (layout.key_dim + layout.value_dim);
  share_items(ws->pool, cut.num_pieces(), piece_work, [&](int first, int end, int worker) {
    for (int i = first; i < end; ++i) {
      // Groups outermost: the next rows read their keys again. A prompt's last rows first: they see the most keys, and what is left at the
      // end, while other threads wait, had better be short.
      const int piece = cut.num_pieces() - 1 - i;
      const int group = piece / (cut.row_blocks() * cut.head_blocks());
      const int block = piece / cut.head_blocks() % cut.row_blocks();
      const int first_head = piece % cut.head_blocks() * cut.heads;
      const int num_heads = std::min(cut.heads, heads.group_heads - first_head);
      const int end_row = std::min(num_rows, (block + 1) * cut.rows);
      for (int row = block * cut.rows; row < end_row;) {
        const int run = count_run(rows.subspan(row, end_row - row));
        attend(heads, layout, rows, row, run, group, first_head, num_heads, kv, ws->scratch_of(worker));
        row += run;
      }
      fill_readers(heads, block * cut.rows, end_row, group * heads.group_heads + first_head, num_heads);
    }
  });
}

}  // namespace switchyard::executor
