// Every vector form against its reference, bit by bit, over odd sizes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/math.h"
#include "base/quantize_row.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

using Random = std::mt19937_64;

std::vector<float> random_floats(Random& random, size_t count, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <typename Body>
void for_each_vector_table(Body body) {
  for (const Isa isa : available_isas()) {
    if (isa != Isa::kScalar) body(kernels_of(isa));
  }
}

}  // namespace

TEST(product_has_the_bits_of_its_reference) {
  Random random(test::seed());
  for (const int rows : {1, 15, 16, 17, 80, 131}) {
    for (const int columns : {8, 24, 72}) {
      const bool is_bf16 = (rows + columns) % 2 == 0;
      std::vector<uint16_t> bf16(rows * columns);
      for (auto& b : bf16) b = static_cast<uint16_t>(std::bit_cast<uint32_t>(random_floats(random, 1)[0]) >> 16);
      const auto fp32 = random_floats(random, rows * columns);
      PackedMatrix w(rows, columns, is_bf16 ? PackedType::kBf16 : PackedType::kF32);
      w.set_rows(0, rows, is_bf16 ? static_cast<const void*>(bf16.data()) : fp32.data(),
                 is_bf16 ? Dtype::kBf16 : Dtype::kF32, columns, 1);
      for (const int tokens : {1, 2, 3, 5, 6, 13, 64}) {
        const auto x = random_floats(random, tokens * (columns + 3));
        for (const int slices : {1, 2, 4, 8}) {
          std::vector<float> expected(tokens * (rows + 5), 7.0f);
          ProductArgs args{w.data(),        is_bf16,          rows,  columns, slices, x.data(), size_t(columns) + 3,
                           expected.data(), size_t(rows) + 5, tokens};
          product_ref(args);
          for_each_vector_table([&](const KernelTable& table) {
            std::vector<float> y(tokens * (rows + 5), 7.0f);
            args.y = y.data();
            table.product(args);
            CHECK(same_bits(y, expected));
          });
        }
      }
    }
  }
}

TEST(product_of_one_row_equals_the_row_in_a_batch) {
  Random random(test::seed());
  const auto weights = random_floats(random, 50 * 40);
  const auto x = random_floats(random, 23 * 40);
  PackedMatrix w(50, 40, PackedType::kF32);
  w.set_rows(0, 50, weights.data(), Dtype::kF32, 40, 1);
  std::vector<float> batch(23 * 50);
  product(w, x.data(), 40, batch.data(), 50, 23, 4);
  for (int t = 0; t < 23; ++t) {
    std::vector<float> one(50);
    product(w, x.data() + t * 40, 40, one.data(), 50, 1, 4);
    CHECK(std::memcmp(one.data(), &batch[t * 50], sizeof(float) * 50) == 0);
  }
}

TEST(rmsnorm_and_silu_mul_and_softmax_sum_have_the_bits_of_their_references) {
  Random random(test::seed());
  for (const int size : {1, 7, 16, 17, 64, 100, 333}) {
    const auto x = random_floats(random, 3 * 2 * size, 8.0f);
    const auto weight = random_floats(random, size);
    std::vector<float> normed(3 * size), gated(3 * size);
    rmsnorm_ref({x.data(), size_t(size), weight.data(), normed.data(), size_t(size), 3, size, 1e-6f});
    silu_mul_ref({x.data(), gated.data(), 3, size});
    const SoftmaxSum sum = softmax_sum_ref(x.data(), size);
    for_each_vector_table([&](const KernelTable& table) {
      std::vector<float> y(3 * size);
      table.rmsnorm({x.data(), size_t(size), weight.data(), y.data(), size_t(size), 3, size, 1e-6f});
      CHECK(same_bits(y, normed));
      table.silu_mul({x.data(), y.data(), 3, size});
      CHECK(same_bits(y, gated));
      const SoftmaxSum other = table.softmax_sum(x.data(), size);
      CHECK(std::bit_cast<uint32_t>(other.sum) == std::bit_cast<uint32_t>(sum.sum) && other.max == sum.max);
    });
  }
}

namespace {

/// Rows of `size` numbers as they travel in INT8.
std::vector<std::byte> int8_rows(const std::vector<float>& x, int size) {
  const size_t row_bytes = int8_wire_bytes(size);
  std::vector<std::byte> rows(x.size() / size * row_bytes);
  for (size_t i = 0; i < x.size() / size; ++i)
    store_int8_row(quantize_kernels(), &x[i * size], size, &rows[i * row_bytes]);
  return rows;
}

}  // namespace

TEST(combine_has_the_bits_of_its_reference) {
  Random random(test::seed());
  for (const int size : {1, 16, 19, 192}) {
    for (const int top_k : {1, 4, 5}) {
      const auto pairs = random_floats(random, 3 * top_k * size);
      const auto weights = random_floats(random, 3 * top_k);
      const auto start = random_floats(random, 3 * size);
      const auto narrow = int8_rows(pairs, size);
      for (const bool is_int8 : {false, true}) {
        const auto outputs = is_int8 ? rows_behind_each_other(narrow.data(), int8_wire_bytes(size), 3 * top_k)
                                     : rows_behind_each_other(pairs.data(), size * sizeof(float), 3 * top_k);
        CombineArgs args{.outputs = outputs.data(),
                         .is_int8 = is_int8,
                         .weights = weights.data(),
                         .y = nullptr,
                         .num_rows = 3,
                         .top_k = top_k,
                         .size = size};
        auto expected = start;
        args.y = expected.data();
        combine_ref(args);
        for_each_vector_table([&](const KernelTable& table) {
          auto y = start;
          args.y = y.data();
          table.combine(args);
          CHECK(same_bits(y, expected));
        });
      }
    }
  }
}

TEST(silu_of_extreme_inputs_has_the_bits_of_its_reference) {
  std::vector<float> x;
  for (const float v :
       {0.0f, -0.0f, 87.0f, -87.0f, 88.4f, -88.4f, -200.0f, 1e30f, -1e30f, 1e-40f, -1e-40f, 86.99f, -87.01f})
    x.push_back(v);
  const int size = static_cast<int>(x.size());
  for (int i = 0; i < size; ++i) x.push_back(1.0f);
  std::vector<float> expected(size);
  silu_mul_ref({x.data(), expected.data(), 1, size});
  for_each_vector_table([&](const KernelTable& table) {
    std::vector<float> y(size);
    table.silu_mul({x.data(), y.data(), 1, size});
    CHECK(same_bits(y, expected));
  });
}

namespace {

/// A cache of rows of `width` floats in blocks that stand in reverse order.
struct PagedCache {
  PagedCache(Random& random, int num_keys, int block_tokens, int width)
      : values(random_floats(random, static_cast<size_t>(num_keys + block_tokens) * width)),
        blocks((num_keys + block_tokens - 1) / block_tokens) {
    for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(blocks.size() - 1 - i);
  }

  std::vector<float> values;
  std::vector<int32_t> blocks;
};

/// Heads over one key in a row: value_offset 0 is latent attention, otherwise the value stands further on in the row.
struct AttentionShape {
  int num_heads;
  int key_dim;
  int value_dim;
  int value_offset;
  int window;  // 0: all keys

  int width() const { return std::max(key_dim, value_offset + value_dim); }
  int q_floats() const { return num_heads * key_dim; }
  int out_floats() const { return num_heads * value_dim; }
};

/// Of the last num_rows of num_keys positions; rows of q and out follow each other.
PagedAttentionArgs attention_args(const AttentionShape& shape, const PagedCache& cache, int block_tokens, int num_keys,
                                  int num_rows, const float* q, float* out, float* scratch) {
  const size_t row_bytes = shape.width() * sizeof(float);
  return {.q = q,
          .q_stride = static_cast<size_t>(shape.q_floats()),
          .cache = reinterpret_cast<const std::byte*>(cache.values.data()),
          .key_offset = 0,
          .value_offset = shape.value_offset * sizeof(float),
          .block_stride = block_tokens * row_bytes,
          .row_stride = row_bytes,
          .has_int8_values = false,
          .int8_key_dim = 0,
          .block_table = cache.blocks.data(),
          .block_tokens = block_tokens,
          .num_rows = num_rows,
          .num_keys = num_keys - num_rows + 1,
          .window = shape.window,
          .num_heads = shape.num_heads,
          .key_dim = shape.key_dim,
          .value_dim = shape.value_dim,
          .scale = 0.125f,
          .out = out,
          .out_stride = static_cast<size_t>(shape.out_floats()),
          .scratch = scratch};
}

}  // namespace

namespace {

/// So many keys, of which the last num_rows have their queries.
struct AttentionSpan {
  int num_keys;
  int num_rows;
};

/// One key, a prompt, whole lanes; the ends of chunks; and rows of two blocks of queries and more, whose keys end, and in a window begin, in
/// different chunks. The reference takes its time, so the most keys have the fewest queries.
std::vector<AttentionSpan> spans_of(const AttentionShape& shape) {
  const int many = 2 * kBlockQueries / shape.num_heads + 1;
  return {{1, 1}, {5, 5}, {16, 1}, {255, many}, {256, 2}, {257, many}, {580, many}, {1300, 2}};
}

}  // namespace

TEST(paged_attention_has_the_bits_of_its_reference) {
  Random random(test::seed());
  const AttentionShape shapes[] = {
      {4, 80, 64, 0, 0},     {1, 18, 16, 0, 0},   {7, 43, 37, 0, 0},  {3, 10, 10, 30, 0},  {67, 6, 5, 6, 0},
      {2, 64, 64, 128, 300}, {1, 20, 150, 30, 5}, {40, 33, 17, 0, 0}, {3, 20, 75, 437, 0},
  };
  for (const AttentionShape& shape : shapes) {
    for (const auto [keys, rows] : spans_of(shape)) {
      const int block_tokens = keys % 2 ? 16 : 7;
      const PagedCache cache(random, keys, block_tokens, shape.width());
      const auto q = random_floats(random, rows * shape.q_floats(), 2.0f);
      std::vector<float> expected(rows * shape.out_floats()), out(expected.size());
      std::vector<float> scratch(paged_attention_scratch_floats(shape.key_dim, shape.value_dim));
      PagedAttentionArgs args =
          attention_args(shape, cache, block_tokens, keys, rows, q.data(), expected.data(), scratch.data());
      paged_attention_ref(args);
      args.out = out.data();
      for_each_vector_table([&](const KernelTable& table) {
        table.paged_attention(args);
        CHECK(same_bits(out, expected));
      });
    }
  }
}

TEST(paged_attention_of_a_row_does_not_see_the_keys_of_later_rows) {
  Random random(test::seed());
  const AttentionShape shape{3, 20, 20, 20, 0};
  constexpr int kKeys = 300, kRows = 11;
  PagedCache cache(random, kKeys, kKeys, shape.width());
  const auto q = random_floats(random, kRows * shape.q_floats());
  std::vector<float> expected(kRows * shape.out_floats());
  std::vector<float> scratch(paged_attention_scratch_floats(shape.key_dim, shape.value_dim));
  const auto attend = [&](const KernelTable& table, float* out) {
    table.paged_attention(attention_args(shape, cache, kKeys, kKeys, kRows, q.data(), out, scratch.data()));
  };
  attend(kernels_of(Isa::kScalar), expected.data());
  std::fill_n(&cache.values[(kKeys - 1) * shape.width()], shape.width(), std::numeric_limits<float>::quiet_NaN());
  for_each_vector_table([&](const KernelTable& table) {
    std::vector<float> out(expected.size());
    attend(table, out.data());
    const size_t seen = (kRows - 1) * shape.out_floats();
    CHECK(std::equal(out.begin(), out.begin() + seen, expected.begin()));
    CHECK(std::all_of(out.begin() + seen, out.end(), [](float x) { return std::isnan(x); }));
  });
}

TEST(paged_attention_is_softmax_attention_over_the_keys_of_its_window) {
  Random random(test::seed());
  for (const AttentionShape& shape :
       {AttentionShape{2, 12, 8, 0, 0}, AttentionShape{3, 10, 9, 11, 0}, AttentionShape{2, 10, 10, 10, 270}}) {
    constexpr int kKeys = 600;
    const PagedCache cache(random, kKeys, kKeys, shape.width());
    const auto q = random_floats(random, shape.num_heads * shape.key_dim);
    std::vector<float> out(shape.num_heads * shape.value_dim),
        scratch(paged_attention_scratch_floats(shape.key_dim, shape.value_dim));
    const PagedAttentionArgs args = attention_args(shape, cache, kKeys, kKeys, 1, q.data(), out.data(), scratch.data());
    kernels().paged_attention(args);
    for (int h = 0; h < shape.num_heads; ++h) {
      std::vector<double> expected(shape.value_dim, 0.0);
      double total = 0.0;
      for (int j = args.first_key_of(kKeys); j < kKeys; ++j) {
        const float* key = &cache.values[static_cast<size_t>(j) * shape.width()];
        double dot = 0.0;
        for (int d = 0; d < shape.key_dim; ++d) dot += double(q[h * shape.key_dim + d]) * key[d];
        const double weight = std::exp(args.scale * dot);
        total += weight;
        for (int c = 0; c < shape.value_dim; ++c) expected[c] += weight * key[shape.value_offset + c];
      }
      for (int c = 0; c < shape.value_dim; ++c)
        CHECK(std::fabs(expected[c] / total - out[h * shape.value_dim + c]) < 1e-5);
    }
  }
}

TEST(numeric_class_is_the_same_for_every_instruction_set) {
  const std::string fastest = numeric_class("fp32", "fma16");
  const std::string split = numeric_class("fp32", "mla-split");
  const auto hash_of = [](const std::string& text) { return text.substr(text.rfind('/')); };
  CHECK(fastest.rfind("fp32/fma16/4/", 0) == 0 && split.rfind("fp32/mla-split/4/", 0) == 0);
  CHECK(hash_of(fastest) != hash_of(split));
  for (const Isa isa : available_isas()) {
    setenv("SWITCHYARD_ISA", isa_name(isa), 1);
    CHECK(select_kernels().ok());
    CHECK(kernels().isa == isa);
    CHECK(numeric_class("fp32", "fma16") == fastest && numeric_class("fp32", "mla-split") == split);
  }
  setenv("SWITCHYARD_ISA", "mmx", 1);
  CHECK(select_kernels().code() == Code::kInvalidArgument);
  unsetenv("SWITCHYARD_ISA");
  CHECK(select_kernels().ok());
}
