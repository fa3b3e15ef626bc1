// Values of a chunk, weighed by p and added in ascending order of keys: tiles of some queries by some columns, whose sums stand in registers.
// Some keys' columns stay in the nearest cache while all queries pass over them. Include after a lanes_*.h.
#pragma once

#include <cstring>

#include "kernels/attention/query_block.h"
#include "kernels/lanes/int8_row_lanes.h"

namespace switchyard {
namespace {

/// Rows at a multiple of so many bytes share few sets of the nearest cache: values in them are copied if many queries pass.
inline constexpr size_t kCrowdedStride = 2048;

/// A tile: sums in most registers.
inline constexpr int kWeighQueries = 4;
inline constexpr int kWeighColumns = Register::kRegisters >= 32 ? 4 : 3;  // registers

/// Columns [0, width) of the values of some keys; width is at most kPanelColumns.
struct ValuePanel {
  const float* values[kPanelKeys];
  int width;
};

/// out[i] += p[i][j] * value j, for keys [first, end) of the panel and NumColumns registers of columns from c on, or the rest of the columns.
template <int NumQueries, int NumColumns, bool IsWhole>
void weigh_columns(const ValuePanel& panel, int first, int end, int c, const float* p, float* out, size_t out_stride) {
  const int width = panel.width - c;
  const auto load = [&](const float* from) {
    return IsWhole ? Register::load(from) : Register::load_first(from, width);
  };
  Register sum[NumQueries][NumColumns];
  for (int i = 0; i < NumQueries; ++i) {
    for (int k = 0; k < NumColumns; ++k) sum[i][k] = load(out + i * out_stride + c + k * Register::kWidth);
  }
  for (int j = first; j < end; ++j) {
    const float* from = panel.values[j] + c;
    Register value[NumColumns];
    for (int k = 0; k < NumColumns; ++k) value[k] = load(from + k * Register::kWidth);
    for (int i = 0; i < NumQueries; ++i) {
      const Register weight = Register::broadcast(p[i * kScoreStride + j]);
      for (int k = 0; k < NumColumns; ++k) sum[i][k] = Register::fma(weight, value[k], sum[i][k]);
    }
  }
  for (int i = 0; i < NumQueries; ++i) {
    for (int k = 0; k < NumColumns; ++k) {
      float* to = out + i * out_stride + c + k * Register::kWidth;
      if constexpr (IsWhole) {
        sum[i][k].store(to);
      } else {
        sum[i][k].store_first(to, width);
      }
    }
  }
}

/// Columns from *c on, as long as NumColumns registers of them are left.
template <int NumQueries, int NumColumns>
inline void weigh_whole(const ValuePanel& panel, int first, int end, const float* p, float* out, size_t out_stride,
                        int* c) {
  constexpr int kWidth = NumColumns * Register::kWidth;
  for (; *c + kWidth <= panel.width; *c += kWidth)
    weigh_columns<NumQueries, NumColumns, true>(panel, first, end, *c, p, out, out_stride);
}

template <int NumQueries>
void weigh_keys(const ValuePanel& panel, int first, int end, const float* p, float* out, size_t out_stride) {
  if (first >= end) return;
  int c = 0;
  weigh_whole<NumQueries, kWeighColumns>(panel, first, end, p, out, out_stride, &c);
  weigh_whole<NumQueries, 2>(panel, first, end, p, out, out_stride, &c);
  weigh_whole<NumQueries, 1>(panel, first, end, p, out, out_stride, &c);
  if (c < panel.width) weigh_columns<NumQueries, 1, false>(panel, first, end, c, p, out, out_stride);
}

/// The keys [start, start + count) of the chunk for a tile of queries: those that all of them see together, what only some see query by query.
template <int NumQueries>
void weigh_tile(const Chunk& chunk, const ValuePanel& panel, int start, int count, int query, const float* p,
                float* out, size_t out_stride) {
  int first[NumQueries];
  int end[NumQueries];
  for (int i = 0; i < NumQueries; ++i) {
    first[i] = std::clamp(chunk.first[query + i] - start, 0, count);
    end[i] = std::clamp(chunk.end[query + i] - start, 0, count);
  }
  const int common = first[NumQueries - 1];
  const int common_end = std::max(common, end[0]);
  const auto weigh_alone = [&](int i, int from, int to) {
    weigh_keys<1>(panel, from, to, p + i * kScoreStride, out + i * out_stride, out_stride);
  };
  for (int i = 0; i < NumQueries; ++i) weigh_alone(i, first[i], std::min(common, end[i]));
  weigh_keys<NumQueries>(panel, common, common_end, p, out, out_stride);
  for (int i = 0; i < NumQueries; ++i) weigh_alone(i, common_end, end[i]);
}

/// Makes a panel of columns [c, c + panel->width) of the values of `count` keys, widened to `room` [kPanelKeys][kPanelColumns].
template <class Number>
void widen_panel(const PagedAttentionArgs& args, const std::byte* const* rows, int count, int c, float* room,
                 ValuePanel* panel) {
  for (int j = 0; j < count; ++j) {
    float* widened = room + j * kPanelColumns;
    widen_lanes(reinterpret_cast<const Number*>(rows[j] + args.value_offset) + c, panel->width, widened);
    panel->values[j] = widened;
  }
}

/// Where columns [c, c + panel->width) of the values of `count` keys stand: in `room` where they are INT8 or to be copied.
inline void read_panel(const PagedAttentionArgs& args, const std::byte* const* rows, int count, int c, bool is_copied,
                       float* room, ValuePanel* panel) {
  panel->width = std::min(kPanelColumns, args.value_dim - c);
  if (args.has_int8_values) return widen_panel<int8_t>(args, rows, count, c, room, panel);
  if (is_copied) return widen_panel<float>(args, rows, count, c, room, panel);
  for (int j = 0; j < count; ++j) panel->values[j] = reinterpret_cast<const float*>(rows[j] + args.value_offset) + c;
}

/// The partial out of each query at a level, from its p.
inline void weigh_chunk(const PagedAttentionArgs& args, const QueryBlock& block, const Chunk& chunk,
                        const BlockScratch& scratch, int level) {
  const size_t out_stride = scratch.out_stride;
  const bool is_copied = block.num_queries > kFewQueries && args.row_stride % kCrowdedStride == 0;
  std::memset(scratch.out(level, 0), 0, block.num_queries * out_stride * sizeof(float));
  for (int c = 0; c < args.value_dim; c += kPanelColumns) {
    for (int start = 0; start < chunk.count; start += kPanelKeys) {
      const int count = std::min(kPanelKeys, chunk.count - start);
      ValuePanel panel;
      read_panel(args, chunk.rows + start, count, c, is_copied, scratch.numbers, &panel);
      run_query_tiles<kWeighQueries>(0, block.num_queries, [&]<int NumQueries>(int query) {
        weigh_tile<NumQueries>(chunk, panel, start, count, query, scratch.scores_of(query) + start,
                               scratch.out(level, query) + c, out_stride);
      });
    }
  }
}

}  // namespace
}  // namespace switchyard
