// Paged attention over INT8 values: latent attention, whose keys begin with them, and grouped queries with fp32 keys.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/quantize_row.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

using Random = std::mt19937_64;

/// Heads over one key in a row. int8_key_dim is value_dim (latent attention) or 0.
struct Shape {
  int num_heads;
  int key_dim;
  int value_dim;
  int int8_key_dim;
  int window;  // 0: all keys

  int key_floats() const { return key_dim - int8_key_dim; }
  size_t row_bytes() const { return int8_row_bytes(value_dim) + key_floats() * sizeof(float); }
};

/// What the last rows of num_keys positions see, with all that the arguments point to. Rows are [value | key floats], in blocks that stand in reverse order.
struct Case {
  Case(const Shape& s, int rows, int keys, int tokens, Random& random)
      : shape(s), num_rows(rows), num_keys(keys), block_tokens(tokens) {
    std::normal_distribution<float> normal;
    q.resize(num_rows * shape.num_heads * shape.key_dim);
    for (float& x : q) x = normal(random);
    const int num_blocks = (keys + tokens - 1) / tokens;
    for (int i = 0; i < num_blocks; ++i) blocks.push_back(num_blocks - 1 - i);
    cache.resize(num_blocks * tokens * shape.row_bytes());
    std::vector<float> value(shape.value_dim);
    for (int j = 0; j < keys; ++j) {
      for (float& x : value) x = normal(random);
      store_int8_row(quantize_kernels(), value.data(), value.size(), row(j));
      for (int d = 0; d < shape.key_floats(); ++d) key_floats(j)[d] = normal(random);
    }
  }

  std::byte* row(int j) {
    return &cache[(blocks[j / block_tokens] * block_tokens + j % block_tokens) * shape.row_bytes()];
  }
  float* key_floats(int j) { return reinterpret_cast<float*>(row(j) + int8_row_bytes(shape.value_dim)); }
  int first_key() const { return shape.window > 0 ? std::max(0, num_keys - shape.window) : 0; }

  std::vector<float> attend(const KernelTable& table) const {
    const size_t q_stride = shape.num_heads * shape.key_dim, out_stride = shape.num_heads * shape.value_dim;
    std::vector<float> out(num_rows * out_stride);
    std::vector<float> scratch(paged_attention_scratch_floats(shape.key_dim, shape.value_dim));
    table.paged_attention({.q = q.data(),
                           .q_stride = q_stride,
                           .cache = cache.data(),
                           .key_offset = int8_row_bytes(shape.value_dim),
                           .value_offset = 0,
                           .block_stride = block_tokens * shape.row_bytes(),
                           .row_stride = shape.row_bytes(),
                           .has_int8_values = true,
                           .int8_key_dim = shape.int8_key_dim,
                           .block_table = blocks.data(),
                           .block_tokens = block_tokens,
                           .num_rows = num_rows,
                           .num_keys = num_keys - num_rows + 1,
                           .window = shape.window,
                           .num_heads = shape.num_heads,
                           .key_dim = shape.key_dim,
                           .value_dim = shape.value_dim,
                           .scale = 0.2f,
                           .out = out.data(),
                           .out_stride = out_stride,
                           .scratch = scratch.data()});
    return out;
  }

  Shape shape;
  int num_rows;
  int num_keys;
  int block_tokens;
  std::vector<float> q;
  std::vector<std::byte> cache;
  std::vector<int32_t> blocks;
};

constexpr Shape kShapes[] = {
    {4, 80, 64, 64, 0}, {1, 21, 17, 17, 0}, {7, 43, 37, 37, 0}, {2, 66, 64, 64, 300},
    {3, 10, 13, 0, 0},  {5, 64, 64, 0, 0},  {2, 11, 11, 0, 21},
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST(int8_attention_has_the_bits_of_its_reference) {
  Random random(test::seed());
  for (const Shape& shape : kShapes) {
    for (const int keys : {1, 5, 16, 255, 256, 257, 700}) {
      for (const int rows : {1, 37}) {
        if (rows > keys) continue;
        const Case c(shape, rows, keys, keys % 2 ? 16 : 7, random);
        const std::vector<float> expected = c.attend(kernels_of(Isa::kScalar));
        for (const Isa isa : available_isas()) CHECK(same_bits(c.attend(kernels_of(isa)), expected));
      }
    }
  }
}

TEST(int8_attention_is_softmax_attention_over_the_widened_values) {
  Random random(test::seed());
  for (const Shape& shape : kShapes) {
    Case c(shape, 1, 600, 16, random);
    const std::vector<float> out = c.attend(kernels());
    for (int h = 0; h < shape.num_heads; ++h) {
      std::vector<double> expected(shape.value_dim, 0.0);
      std::vector<float> value(shape.value_dim);
      double total = 0.0;
      for (int j = c.first_key(); j < c.num_keys; ++j) {
        widen_int8_row(c.row(j), value.size(), value.data());
        const float* q = &c.q[h * shape.key_dim];
        double dot = 0.0;
        for (int d = 0; d < shape.int8_key_dim; ++d) dot += double(q[d]) * value[d];
        for (int d = 0; d < shape.key_floats(); ++d) dot += double(q[shape.int8_key_dim + d]) * c.key_floats(j)[d];
        const double weight = std::exp(0.2 * dot);
        total += weight;
        for (int i = 0; i < shape.value_dim; ++i) expected[i] += weight * value[i];
      }
      for (int i = 0; i < shape.value_dim; ++i)
        CHECK(std::fabs(expected[i] / total - out[h * shape.value_dim + i]) < 1e-5);
    }
  }
}

TEST(int8_attention_over_a_lost_value_is_lost) {
  Random random(test::seed());
  for (const Shape& shape : kShapes) {
    Case c(shape, 1, 300, 16, random);
    std::vector<float> lost(shape.value_dim, 1.0f);
    lost.back() = std::numeric_limits<float>::infinity();
    store_int8_row(quantize_kernels(), lost.data(), lost.size(), c.row(290));
    for (const Isa isa : available_isas()) {
      for (const float x : c.attend(kernels_of(isa))) CHECK(std::isnan(x));
    }
  }
}
