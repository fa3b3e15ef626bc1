#include "executor/blocks/mla_split.h"

#include <algorithm>
#include <cstring>

#include "base/quantize_row.h"
#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Keys of all heads at a time, up to which there are more of these than threads: many short prompts would be many small regions.
constexpr int kKeysTogether = 2048;

/// The rows of one sequence: of consecutive positions.
class SplitSequence {
 public:
  SplitSequence(const ModelSpec& spec, const LatentWideners& wideners, const CacheLayout& layout,
                const SplitRows& prompts, std::span<const BatchRow> rows, const KvLayerView& kv, Workspace* ws)
      : spec_(spec),
        wideners_(wideners),
        layout_(layout),
        rows_(rows),
        kv_(kv),
        ws_(ws),
        room_(ws->split),
        scale_(prompts.scale),
        num_keys_(rows.back().position + 1),
        num_together_(std::min(spec.num_heads, std::max(ws->pool->num_threads(), kKeysTogether / num_keys_))),
        key_floats_(whole_lines(spec.head_dim)),
        row_floats_(key_floats_ + whole_lines(spec.v_head_dim)) {
    const size_t row = &rows.front() - prompts.rows.data();
    q_ = prompts.q + row * spec.num_heads * spec.head_dim;
    out_ = prompts.out + row * spec.num_heads * spec.v_head_dim;
  }

  void attend() {
    gather();
    for (int head = 0; head < spec_.num_heads; head += num_together_) {
      const int count = std::min(num_together_, spec_.num_heads - head);
      widen(head, count);
      attend_heads(head, count);
    }
  }

 private:
  /// Widened keys and values of the head in a place: [keys][row_floats_].
  float* widened(int place) { return room_.widened.data() + static_cast<size_t>(place) * num_keys_ * row_floats_; }

  const std::byte* cached(int key) const {
    return kv_.row(rows_[0].block_table[key / kv_.block_tokens], key % kv_.block_tokens);
  }

  /// The latents as the products take them, and the rotated part, which all heads share, in every place.
  void gather() {
    const size_t rank = spec_.kv_lora_rank;
    room_.latents.reserve(num_keys_ * rank);
    room_.widened.reserve(num_together_ * num_keys_ * row_floats_);
    const PackedMatrix& key = wideners_.keys[0];
    const PackedMatrix& value = wideners_.values[0];
    const bool is_shared = have_same_input(key, value);
    key_input_ = reserve_input(key, room_.latents.data(), rank, num_keys_, &room_.keys);
    value_input_ = is_shared ? key_input_ : reserve_input(value, room_.latents.data(), rank, num_keys_, &room_.values);
    share_items(ws_->pool, num_keys_, kNarrowWork * (2 * rank), [&](int first, int end, int) {
      for (int j = first; j < end; ++j) gather_key(j);
      fill(key, key_input_, first, end, &room_.keys);
      if (!is_shared) fill(value, value_input_, first, end, &room_.values);
    });
  }

  void gather_key(int j) {
    const std::byte* row = cached(j);
    float* latent = room_.latents.data() + static_cast<size_t>(j) * spec_.kv_lora_rank;
    if (layout_.has_int8_values) {
      widen_int8_row(row + layout_.value_offset, spec_.kv_lora_rank, latent);
    } else {
      std::memcpy(latent, row + layout_.value_offset, layout_.value_bytes);
    }
    const size_t rope_bytes = spec_.qk_rope_head_dim * sizeof(float);
    const std::byte* rope = row + layout_.row_bytes - rope_bytes;
    for (int place = 0; place < num_together_; ++place)
      std::memcpy(widened(place) + j * row_floats_ + spec_.qk_nope_head_dim, rope, rope_bytes);
  }

  /// Keys [first, end) for products with a matrix. One in INT8 takes the row that the cache has, of which INT8 is not made again.
  void fill(const PackedMatrix& w, const ProductInput& input, int first, int end, InputStorage* storage) {
    if (w.type() != PackedType::kInt8) return fill_input(w, input, first, end, storage);
    for (int j = first; j < end; ++j) storage->int8.set_row(j, cached(j) + layout_.value_offset);
  }

  void widen(int first_head, int count) {
    room_.products.clear();
    for (int place = 0; place < count; ++place) {
      float* to = widened(place);
      const size_t head = first_head + place;
      room_.products.push_back({&wideners_.keys[head], key_input_, to, row_floats_});
      room_.products.push_back({&wideners_.values[head], value_input_, to + key_floats_, row_floats_});
    }
    shared_products(ws_->pool, room_.products);
  }

  /// Pieces are a head and a block of rows, which never sees a chunk of keys that only some of its rows see. The last rows first: they see the
  /// most keys, and what is left at the end, while other threads wait, had better be short.
  void attend_heads(int first_head, int count) {
    const int last_block = rows_.back().position / kBlockQueries;
    const int num_blocks = last_block - rows_.front().position / kBlockQueries + 1;
    const size_t work = std::min<size_t>(rows_.size(), kBlockQueries) * num_keys_ * row_floats_;
    share_items(ws_->pool, num_blocks * count, work, [&](int first, int end, int worker) {
      for (int i = first; i < end; ++i)
        attend_block(last_block - i / count, first_head, i % count, ws_->scratch_of(worker));
    });
  }

  void attend_block(int block, int first_head, int place, float* scratch) {
    static_assert(kChunkKeys % kBlockQueries == 0);
    constexpr int32_t kOnlyBlock = 0;
    const int first_position = rows_.front().position;
    const int first = std::max(block * kBlockQueries, first_position);
    const int end = std::min((block + 1) * kBlockQueries, num_keys_);
    const size_t q_stride = static_cast<size_t>(spec_.num_heads) * spec_.head_dim;
    const size_t out_stride = static_cast<size_t>(spec_.num_heads) * spec_.v_head_dim;
    const size_t row = first - first_position;
    const size_t head = first_head + place;
    kernels().paged_attention({.q = q_ + row * q_stride + head * spec_.head_dim,
                               .q_stride = q_stride,
                               .cache = reinterpret_cast<const std::byte*>(widened(place)),
                               .key_offset = 0,
                               .value_offset = key_floats_ * sizeof(float),
                               .block_stride = 0,
                               .row_stride = row_floats_ * sizeof(float),
                               .has_int8_values = false,
                               .int8_key_dim = 0,
                               .block_table = &kOnlyBlock,
                               .block_tokens = num_keys_,
                               .num_rows = end - first,
                               .num_keys = first + 1,
                               .window = 0,
                               .num_heads = 1,
                               .key_dim = spec_.head_dim,
                               .value_dim = spec_.v_head_dim,
                               .scale = scale_,
                               .out = out_ + row * out_stride + head * spec_.v_head_dim,
                               .out_stride = out_stride,
                               .scratch = scratch});
  }

  const ModelSpec& spec_;
  const LatentWideners& wideners_;
  const CacheLayout& layout_;
  const std::span<const BatchRow> rows_;
  const KvLayerView& kv_;
  Workspace* const ws_;
  SplitRoom& room_;
  const float scale_;
  const int num_keys_;
  const int num_together_;  // heads that are worked on at a time
  const size_t key_floats_;
  const size_t row_floats_;  // of a widened key and value
  const float* q_;           // of the first row
  float* out_;
  ProductInput key_input_;
  ProductInput value_input_;
};

}  // namespace

void attend_split(const ModelSpec& spec, const LatentWideners& wideners, const CacheLayout& layout,
                  const SplitRows& prompts, const KvLayerView& kv, Workspace* ws) {
  std::span<const BatchRow> rows = prompts.rows;
  while (!rows.empty()) {
    const size_t count = count_run(rows);
    SplitSequence(spec, wideners, layout, prompts, rows.first(count), kv, ws).attend();
    rows = rows.subspan(count);
  }
}

}  // namespace switchyard::executor
