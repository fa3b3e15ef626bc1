// Every form of the block product against the definition, bit by bit, over odd sizes, and the definition against plain numbers in binary64.
#include "kernels/product_block/product_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "base/quantize_row.h"
#include "kernels/product/product.h"
#include "kernels/product/test_support.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

using Random = std::mt19937_64;

constexpr PackedType kTypes[] = {PackedType::kQ8_0, PackedType::kQ4_0, PackedType::kQ4_1, PackedType::kQ5_0,
                                 PackedType::kQ5_1, PackedType::kQ4_K, PackedType::kQ5_K, PackedType::kQ6_K};

/// fp16 of a random number of magnitude 2^-10 to 2^-3, either sign.
uint16_t random_half(Random& random) { return static_cast<uint16_t>((random() & 0x83ffu) | (5 + random() % 7) << 10); }

/// Scale of sum i, of a row's unit: docs/numerics.md, "Block products".
float scale_of(const BlockForm& form, const BlockUnit& unit, int i) {
  const float scale = fp16_to_float(unit.scale);
  return form.has_small_scales() ? scale * static_cast<float>(unit.small_scales[i]) : scale;
}

float minimum_of(const BlockForm& form, const BlockUnit& unit, int block) {
  if (!form.has_minimum) return 0;
  const float minimum = fp16_to_float(unit.minimum);
  return form.has_small_scales() ? -minimum * static_cast<float>(unit.small_minima[block]) : minimum;
}

struct Quantized {
  int8_t q[kBlockColumns];
  float scale;
};

/// Weights and activations of one product.
struct Case {
  Case(PackedType type, int num_rows, int num_units, int num_tokens, Random& random)
      : type(type),
        form(block_form(type)),
        num_rows(num_rows),
        num_columns(num_units * form.unit_columns),
        num_tokens(num_tokens),
        units(static_cast<size_t>(num_rows) * num_units),
        x(static_cast<size_t>(num_tokens) * num_columns) {
    std::normal_distribution<float> normal;
    for (BlockUnit& unit : units) {
      for (uint8_t& code : unit.codes) code = static_cast<uint8_t>(random() & ((1u << form.num_bits) - 1));
      unit.scale = random_half(random);
      unit.minimum = random_half(random);
      for (int8_t& small : unit.small_scales)
        small = static_cast<int8_t>(form.num_bits == 6 ? random() % 256 : random() % 64);
      for (int8_t& small : unit.small_minima) small = static_cast<int8_t>(random() % 64);
    }
    for (float& v : x) v = normal(random);
  }

  int num_blocks() const { return num_columns / kBlockColumns; }
  const BlockUnit& unit(int row, int idx) const { return units[row * (num_columns / form.unit_columns) + idx]; }

  PackedMatrix packed() const {
    PackedMatrix w(num_rows, num_columns, type);
    for (int row = 0; row < num_rows; ++row) {
      for (int i = 0; i < num_columns / form.unit_columns; ++i) w.set_block_unit(row, i, unit(row, i));
    }
    return w;
  }

  std::vector<Quantized> quantized(int t) const {
    std::vector<Quantized> blocks(num_blocks());
    for (int b = 0; b < num_blocks(); ++b) {
      const float* from = &x[static_cast<size_t>(t) * num_columns + b * kBlockColumns];
      blocks[b].scale = quantize_kernels_of(Isa::kScalar).from_f32(from, kBlockColumns, blocks[b].q);
    }
    return blocks;
  }

  /// One chain over blocks [first, end) of a row.
  float chain(int row, const std::vector<Quantized>& blocks, int first, int end) const {
    float acc = 0;
    for (int b = first; b < end; ++b) {
      const BlockUnit& of = unit(row, b / form.unit_blocks());
      const int in_unit = b % form.unit_blocks();
      int32_t whole_sum = 0;
      for (int i = 0; i < form.block_sums(); ++i) {
        int32_t sum = 0;
        for (int k = i * form.sum_columns; k < (i + 1) * form.sum_columns; ++k) {
          const int w = of.codes[in_unit * kBlockColumns + k] - form.zero;
          sum += w * blocks[b].q[k];
          whole_sum += blocks[b].q[k];
        }
        acc = std::fma(static_cast<float>(sum), scale_of(form, of, in_unit * form.block_sums() + i) * blocks[b].scale,
                       acc);
      }
      if (form.has_minimum)
        acc = std::fma(minimum_of(form, of, in_unit), blocks[b].scale * static_cast<float>(whole_sum), acc);
    }
    return acc;
  }

  /// docs/numerics.md, "Block products", without any layout: [num_tokens][num_rows]; one, two or four slices.
  std::vector<float> expected(int num_slices) const {
    std::vector<float> y;
    for (int t = 0; t < num_tokens; ++t) {
      const auto blocks = quantized(t);
      const int width = num_blocks() / num_slices;
      for (int row = 0; row < num_rows; ++row) {
        const auto part = [&](int s) { return chain(row, blocks, s * width, (s + 1) * width); };
        y.push_back(num_slices == 1   ? part(0)
                    : num_slices == 2 ? part(0) + part(1)
                                      : (part(0) + part(1)) + (part(2) + part(3)));
      }
    }
    return y;
  }

  PackedType type;
  BlockForm form;
  int num_rows;
  int num_columns;
  int num_tokens;
  std::vector<BlockUnit> units;  // [num_rows][units of a row]
  std::vector<float> x;          // [num_tokens][num_columns]
};

/// [num_tokens][num_rows + gap]; the gap shows a store too many.
std::vector<float> run(const KernelTable& table, const PackedMatrix& w, const Case& c, int num_slices, int gap) {
  std::vector<ActivationBlock> blocks(static_cast<size_t>(c.num_tokens) * c.num_blocks());
  const QuantizeBlocksArgs all = {c.form,         c.x.data(),   static_cast<size_t>(c.num_columns),
                                  c.num_blocks(), c.num_tokens, 0,
                                  c.num_tokens,   blocks.data()};
  // In two ranges, as threads share it.
  const int half = c.num_tokens / 2;
  QuantizeBlocksArgs part = all;
  part.end_token = half;
  table.quantize_blocks(part);
  part.first_token = half;
  part.end_token = c.num_tokens;
  table.quantize_blocks(part);
  const size_t stride = c.num_rows + gap;
  std::vector<float> y(stride * c.num_tokens, kGapValue);
  table.product_block({c.type, static_cast<const uint8_t*>(w.data()), w.block_scales(), c.num_rows, c.num_blocks(),
                       num_slices, blocks.data(), y.data(), stride, c.num_tokens});
  return y;
}

void check_every_form(const Case& c, int num_slices = 1) {
  const PackedMatrix w = c.packed();
  const std::vector<float> expected = c.expected(num_slices);
  for (const Isa isa : available_isas())
    CHECK(has_bits(run(kernels_of(isa), w, c, num_slices, 5), expected, c.num_rows, 5));
}

TEST(product_block_has_the_bits_of_its_definition_over_odd_sizes) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    for (const int rows : {1, 16, 47, 65}) {
      for (const int tokens : {1, 2, 3, 5, 8, 13, 40}) {
        const Case c(type, rows, 1 + static_cast<int>(random() % 3), tokens, random);
        check_every_form(c);
      }
    }
  }
}

TEST(product_block_of_random_shapes_has_the_bits_of_its_definition) {
  Random random(test::seed());
  for (int i = 0; i < 80; ++i) {
    const Case c(kTypes[random() % std::size(kTypes)], 1 + static_cast<int>(random() % 130),
                 1 + static_cast<int>(random() % 4), 1 + static_cast<int>(random() % 40), random);
    check_every_form(c);
  }
}

TEST(product_block_in_slices_is_the_tree_of_their_chains) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    const Case c(type, 33, 4, 11, random);
    for (const int slices : {2, 4}) check_every_form(c, slices);
  }
}

/// Forms may take many tokens, and long chains, in parts. 22 blocks, or 16 where units have 8.
TEST(product_block_of_many_tokens_and_blocks_has_the_bits_of_its_definition) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    const Case c(type, 17, 704 / block_form(type).unit_columns, 131, random);
    for (const int slices : {1, 2}) check_every_form(c, slices);
  }
}

TEST(product_block_is_exact_where_sums_are_largest) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    for (const int tokens : {9, 21}) {
      for (const int code : {0, 255}) {
        for (const float sign : {1.0f, -1.0f}) {
          Case c(type, 17, 2, tokens, random);
          for (BlockUnit& unit : c.units)
            std::fill(std::begin(unit.codes), std::end(unit.codes),
                      static_cast<uint8_t>(code & ((1 << c.form.num_bits) - 1)));
          std::fill(c.x.begin(), c.x.end(), sign * 127.0f);
          check_every_form(c);
        }
      }
    }
  }
}

TEST(product_block_is_what_binary64_gives_for_the_same_numbers) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    const Case c(type, 40, 512 / block_form(type).unit_columns, 5, random);
    const std::vector<float> y = c.expected(1);
    for (int t = 0; t < c.num_tokens; ++t) {
      const auto blocks = c.quantized(t);
      for (int row = 0; row < c.num_rows; ++row) {
        double sum = 0, size = 0;
        for (int k = 0; k < c.num_columns; ++k) {
          const BlockUnit& unit = c.unit(row, k / c.form.unit_columns);
          const int in_unit = k % c.form.unit_columns;
          const double w =
              double{scale_of(c.form, unit, in_unit / c.form.sum_columns)} * (unit.codes[in_unit] - c.form.zero) +
              double{minimum_of(c.form, unit, in_unit / kBlockColumns)};
          const Quantized& block = blocks[k / kBlockColumns];
          const double term = w * double{block.scale} * block.q[k % kBlockColumns];
          sum += term;
          size += std::fabs(term);
        }
        CHECK(std::fabs(y[t * c.num_rows + row] - sum) <= 1e-6 * size);
      }
    }
  }
}

TEST(product_block_of_blocks_of_zeros_and_with_a_nan) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    Case c(type, 20, 2, 3, random);
    std::fill_n(c.x.begin(), c.num_columns, 0.0f);
    c.x[c.num_columns + 7] = std::numeric_limits<float>::quiet_NaN();
    c.x[2 * c.num_columns + 3] = 0x1p-120f;
    const PackedMatrix w = c.packed();
    for (const Isa isa : available_isas()) {
      const std::vector<float> y = run(kernels_of(isa), w, c, 1, 0);
      for (int row = 0; row < 20; ++row) CHECK(y[row] == 0.0f && std::isnan(y[20 + row]) && std::isfinite(y[40 + row]));
    }
  }
}

/// What a form of quantisation makes of x [num_tokens][num_blocks * 32].
std::vector<ActivationBlock> quantize(const KernelTable& table, const BlockForm& form, const std::vector<float>& x,
                                      int num_blocks, int num_tokens) {
  std::vector<ActivationBlock> blocks(static_cast<size_t>(num_tokens) * num_blocks + 1);
  std::memset(blocks.data(), 0x55, blocks.size() * sizeof(ActivationBlock));  // the last one shows a store too many
  table.quantize_blocks({form, x.data(), static_cast<size_t>(num_blocks) * kBlockColumns, num_blocks, num_tokens, 0,
                         num_tokens, blocks.data()});
  return blocks;
}

TEST(quantize_blocks_has_the_bits_of_the_reference_whatever_its_numbers) {
  Random random(test::seed());
  std::normal_distribution<float> normal;
  const float odd_ones[] = {0.0f,
                            -0.0f,
                            0x1p-120f,
                            0x1p-100f,
                            -0x1.fffffep-101f,
                            127.0f,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::quiet_NaN()};
  for (const PackedType type : {PackedType::kQ8_0, PackedType::kQ4_1, PackedType::kQ6_K}) {
    for (int num_blocks = 1; num_blocks <= 9; ++num_blocks) {
      const int num_tokens = 1 + static_cast<int>(random() % 19);
      std::vector<float> x(static_cast<size_t>(num_tokens) * num_blocks * kBlockColumns);
      for (size_t block = 0; block < x.size(); block += kBlockColumns) {
        // One block in four has nothing else, so that what is odd is also its largest.
        const float scale = random() % 4 == 0 ? 0 : 1;
        for (int k = 0; k < kBlockColumns; ++k) x[block + k] = scale * normal(random);
        if (random() % 2 == 0) x[block + random() % kBlockColumns] = odd_ones[random() % std::size(odd_ones)];
      }
      const auto expected = quantize(kernels_of(Isa::kScalar), block_form(type), x, num_blocks, num_tokens);
      for (const Isa isa : available_isas()) {
        const auto blocks = quantize(kernels_of(isa), block_form(type), x, num_blocks, num_tokens);
        CHECK(std::memcmp(blocks.data(), expected.data(), blocks.size() * sizeof(ActivationBlock)) == 0);
      }
    }
  }
}

TEST(product_takes_blocks_and_gives_a_row_what_it_gets_in_a_batch) {
  Random random(test::seed());
  for (const PackedType type : kTypes) {
    const Case c(type, 75, 2, 23, random);
    const PackedMatrix w = c.packed();
    std::vector<float> batch(23 * 75);
    product(w, c.x.data(), c.num_columns, batch.data(), 75, 23, 2);
    const std::vector<float> expected = c.expected(2);
    CHECK(std::memcmp(batch.data(), expected.data(), batch.size() * sizeof(float)) == 0);
    for (int t = 0; t < 23; ++t) {
      std::vector<float> one(75);
      const ProductInput input = prepare_input(w, &c.x[static_cast<size_t>(t) * c.num_columns], c.num_columns, 1);
      product_groups(w, 0, 2, input, one.data(), 75, 2);
      product_groups(w, 2, 3, input, one.data(), 75, 2);
      CHECK(std::memcmp(one.data(), &batch[t * 75], sizeof(float) * 75) == 0);
    }
  }
}

TEST(packed_blocks_take_the_bytes_that_their_types_say) {
  const auto bits_of = [](PackedType type) {
    return 8.0 * static_cast<double>(packed_bytes(16, 1024, type)) / 16 / 1024;
  };
  CHECK(bits_of(PackedType::kQ8_0) == 8.5 && bits_of(PackedType::kQ4_0) == 4.5 && bits_of(PackedType::kQ4_1) == 5);
  CHECK(bits_of(PackedType::kQ5_0) == 5.5 && bits_of(PackedType::kQ5_1) == 6 && bits_of(PackedType::kQ4_K) == 4.625);
  CHECK(bits_of(PackedType::kQ5_K) == 5.625 && bits_of(PackedType::kQ6_K) == 6.5625);
  CHECK(packed_bytes(16, 48, PackedType::kQ8_0) == 0 && packed_bytes(16, 128, PackedType::kQ4_K) == 0);
  CHECK(packed_bytes(uint64_t{1} << 47, uint64_t{1} << 47, PackedType::kQ8_0) == 0);
}

}  // namespace
