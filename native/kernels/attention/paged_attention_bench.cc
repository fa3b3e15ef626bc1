// Attention over the paged cache, absorbed MLA (16 heads over a latent) and GQA (4 heads over a key head of 128): the query of a decode step,
// whose keys are cold, and the 512 queries of a prefill, which find their keys in the cache.
#include <algorithm>

#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const PagedAttentionArgs&);

constexpr int kBlockTokens = 16;

struct AttentionShape {
  const char* name;
  int num_heads;
  int key_dim;
  int value_dim;
  int value_offset;
  int num_queries;  // the last of num_keys positions
  int num_keys;

  bool is_cold() const { return num_queries == 1; }
  int row_floats() const { return std::max(key_dim, value_offset + value_dim); }
  size_t cache_bytes() const { return size_t(num_keys) * row_floats() * sizeof(float); }
  /// Keys that all queries together see.
  double num_visits() const { return double(num_queries) * (num_keys - (num_queries - 1) / 2.0); }
};

KernelWork work_of(const AttentionShape& shape) {
  // A key and head: products with key and value, the exponential, and the comparison, difference and sum around it.
  const double operations =
      shape.num_visits() * shape.num_heads * (2.0 * shape.key_dim + 2.0 * shape.value_dim + kExpOperations + 3);
  const double row_bytes = double(shape.num_heads) * (shape.key_dim + shape.value_dim) * sizeof(float);
  const double bytes = double(shape.cache_bytes()) + shape.num_queries * row_bytes;
  return {operations, bytes, span_of(bytes, shape.is_cold())};
}

std::string name_of(const AttentionShape& shape) {
  return std::string("attention-") + shape.name + "-" + std::to_string(shape.num_queries) + "q-" +
         std::to_string(shape.num_keys) + "k-" + warmth_of(shape.is_cold());
}

KernelBench describe(Kernel kernel, const AttentionShape& shape) {
  return {name_of(shape), RateUnit::kGflops, work_of(shape), [=] {
            const Rotation caches(shape.cache_bytes(), shape.is_cold());
            const size_t q_stride = size_t(shape.num_heads) * shape.key_dim;
            const size_t out_stride = size_t(shape.num_heads) * shape.value_dim;
            const auto q = ordinary_floats(shape.num_queries * q_stride);
            std::vector<int32_t> blocks((shape.num_keys + kBlockTokens - 1) / kBlockTokens);
            for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(blocks.size() - 1 - i);
            std::vector<float> out(shape.num_queries * out_stride);
            std::vector<float> scratch(paged_attention_scratch_floats(shape.key_dim, shape.value_dim));
            return looped([=](uint64_t turn) mutable {
              kernel({.q = q.data(),
                      .q_stride = q_stride,
                      .cache = caches.at<std::byte>(turn),
                      .key_offset = 0,
                      .value_offset = shape.value_offset * sizeof(float),
                      .block_stride = kBlockTokens * shape.row_floats() * sizeof(float),
                      .row_stride = shape.row_floats() * sizeof(float),
                      .has_int8_values = false,
                      .int8_key_dim = 0,
                      .block_table = blocks.data(),
                      .block_tokens = kBlockTokens,
                      .num_rows = shape.num_queries,
                      .num_keys = shape.num_keys - shape.num_queries + 1,
                      .window = 0,
                      .num_heads = shape.num_heads,
                      .key_dim = shape.key_dim,
                      .value_dim = shape.value_dim,
                      .scale = 0.1f,
                      .out = out.data(),
                      .out_stride = out_stride,
                      .scratch = scratch.data()});
            });
          }};
}

const std::vector<AttentionShape> kShapes{
    {"mla-16h", 16, 576, 512, 0, 1, 1024},  {"mla-16h", 16, 576, 512, 0, 1, 4096},
    {"mla-16h", 16, 576, 512, 0, 512, 512}, {"gqa-4h", 4, 128, 128, 128, 1, 1024},
    {"gqa-4h", 4, 128, 128, 128, 1, 4096},  {"gqa-4h", 4, 128, 128, 128, 512, 512},
};

const CaseTable table(cases_of_forms(&KernelTable::paged_attention, kShapes, describe));

}  // namespace

}  // namespace switchyard::bench
