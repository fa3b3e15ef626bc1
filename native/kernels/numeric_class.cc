// The fixed self-test behind numeric_class: every vector operation once over odd sizes, with inputs from Philox, hashed by FNV-1a.
// Its inputs and order are part of the contract version.
#include <bit>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/math.h"
#include "base/philox.h"
#include "base/quantize_row.h"
#include "kernels/registry.h"
#include "kernels/rope/rope_table.h"
#include "kernels/sampling/sampling.h"

namespace switchyard {
namespace {

class Fnv {
 public:
  void add(const std::vector<float>& values) {
    for (const float v : values) add(std::bit_cast<uint32_t>(v));
  }
  void add(uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) hash_ = (hash_ ^ ((word >> shift) & 0xffu)) * 0x100000001b3ull;
  }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325ull;
};

/// Numbers in [-2, 2), a stream each.
std::vector<float> noise(uint32_t stream, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t word = philox4x32({static_cast<uint32_t>(i), stream, 0, 0}, {0x53574954u, 0x43485944u})[0];
    values[i] = static_cast<float>(static_cast<int32_t>(word)) * 0x1p-30f;
  }
  return values;
}

/// Rows of `size` numbers as they travel in INT8.
std::vector<std::byte> int8_rows(const std::vector<float>& x, size_t size) {
  const size_t row_bytes = int8_wire_bytes(size);
  std::vector<std::byte> rows(x.size() / size * row_bytes);
  for (size_t i = 0; i < x.size() / size; ++i)
    store_int8_row(quantize_kernels_of(kernels().isa), &x[i * size], size, &rows[i * row_bytes]);
  return rows;
}

void hash_dense_operations(const KernelTable& table, Fnv* hash) {
  constexpr int kRows = 37, kColumns = 72, kTokens = 7;
  const auto weights = noise(1, kRows * kColumns);
  const auto x = noise(2, kTokens * kColumns);
  PackedMatrix w(kRows, kColumns, PackedType::kF32);
  w.set_rows(0, kRows, weights.data(), Dtype::kF32, kColumns, 1);
  for (const int slices : {1, 3, 8}) {
    std::vector<float> y(kTokens * kRows);
    table.product({w.data(), false, kRows, kColumns, slices, x.data(), kColumns, y.data(), kRows, kTokens});
    hash->add(y);
  }
  std::vector<float> normed(kTokens * kColumns);
  table.rmsnorm({x.data(), kColumns, weights.data(), normed.data(), kColumns, kTokens, kColumns, 1e-6f});
  hash->add(normed);
  std::vector<float> gated(kTokens * kColumns / 2);
  table.silu_mul({x.data(), gated.data(), kTokens, kColumns / 2});
  hash->add(gated);
  std::vector<float> combined = noise(7, kColumns);
  const auto outputs = rows_behind_each_other(x.data(), kColumns * sizeof(float), kTokens);
  CombineArgs sum = {.outputs = outputs.data(),
                     .is_int8 = false,
                     .weights = weights.data(),
                     .y = combined.data(),
                     .num_rows = 1,
                     .top_k = kTokens,
                     .size = kColumns};
  table.combine(sum);
  hash->add(combined);
  const auto rows = int8_rows(x, kColumns);
  const auto int8_outputs = rows_behind_each_other(rows.data(), int8_wire_bytes(kColumns), kTokens);
  sum.outputs = int8_outputs.data();
  sum.is_int8 = true;
  table.combine(sum);
  hash->add(combined);
  const SoftmaxSum softmax = table.softmax_sum(x.data(), kTokens * kColumns);
  hash->add(std::vector<float>{softmax.max, softmax.sum});
}

void hash_bf16_product(const KernelTable& table, Fnv* hash) {
  constexpr int kRows = 37, kColumns = 72, kTokens = 7, kSlices = 4;
  std::vector<uint16_t> weights;
  for (const float w : noise(11, kRows * kColumns)) weights.push_back(float_to_bf16(w));
  PackedMatrix w(kRows, kColumns, PackedType::kBf16Pairs);
  w.set_rows(0, kRows, weights.data(), Dtype::kBf16, kColumns, 1);
  Bf16Activations x;
  x.resize(kColumns, kTokens);
  x.round(noise(12, kTokens * kColumns).data(), kColumns, 0, kTokens);
  std::vector<float> y(kTokens * kRows);
  table.product_bf16({w.data(), kRows, bf16_num_pairs(kColumns), kSlices, x.pairs(), y.data(), kRows, kTokens});
  hash->add(y);
}

void hash_int8_product(const KernelTable& table, Fnv* hash) {
  constexpr int kRows = 37, kColumns = 71, kTokens = 7;
  std::vector<int8_t> weights(kRows * kColumns);
  const auto numbers = noise(8, weights.size());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<int8_t>(numbers[i] * 64.0f);
  PackedMatrix w(kRows, kColumns, PackedType::kInt8);
  w.set_int8_rows(0, kRows, weights.data(), noise(9, kRows).data());
  Int8Activations x;
  x.resize(kColumns, kTokens);
  x.quantize(noise(10, kTokens * kColumns).data(), kColumns, 0, kTokens);
  std::vector<float> y(kTokens * kRows);
  table.product_int8({static_cast<const uint8_t*>(w.data()), w.scales(), kRows, int8_num_quads(kColumns), x.values(),
                      x.rows(), y.data(), kRows, kTokens});
  hash->add(y);
}

/// All block types, in rows of two units, once in one slice and once in two.
void hash_block_products(const KernelTable& table, Fnv* hash) {
  constexpr int kRows = 19, kTokens = 7;
  for (PackedType type = PackedType::kQ8_0; type <= kLastPackedType;
       type = static_cast<PackedType>(static_cast<int>(type) + 1)) {
    const BlockForm form = block_form(type);
    const int num_columns = 2 * form.unit_columns;
    const int num_blocks = num_columns / kBlockColumns;
    std::vector<uint8_t> codes(block_code_bytes(kRows, num_columns, type));
    std::vector<uint8_t> scales(block_scale_bytes(kRows, num_columns, type));
    const auto numbers = noise(11, codes.size() + scales.size());
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(numbers[i] * 64.0f + 128.0f);
    // Below 0x40 in both bytes of an fp16: finite.
    for (size_t i = 0; i < scales.size(); ++i)
      scales[i] = static_cast<uint8_t>(numbers[codes.size() + i] * 15.0f + 31.0f);
    const auto x = noise(12, kTokens * num_columns);
    std::vector<ActivationBlock> blocks(kTokens * num_blocks);
    table.quantize_blocks(
        {form, x.data(), static_cast<size_t>(num_columns), num_blocks, kTokens, 0, kTokens, blocks.data()});
    for (const int slices : {1, 2}) {
      std::vector<float> y(kTokens * kRows);
      table.product_block(
          {type, codes.data(), scales.data(), kRows, num_blocks, slices, blocks.data(), y.data(), kRows, kTokens});
      hash->add(y);
    }
  }
}

/// Latent attention, fp32 or over INT8 values with fp32 keys behind them.
void hash_attention(const KernelTable& table, bool is_int8, Fnv* hash) {
  constexpr int kHeads = 3, kLatent = 24, kRope = 10, kBlockTokens = 5, kKeys = 700;
  constexpr int kBlocks = kKeys / kBlockTokens, kWidth = kLatent + kRope;
  const auto floats = noise(3, static_cast<size_t>(kKeys) * kWidth);
  const size_t row_bytes = is_int8 ? int8_row_bytes(kLatent) + kRope * sizeof(float) : kWidth * sizeof(float);
  std::vector<std::byte> cache(kKeys * row_bytes);
  for (int i = 0; i < kKeys; ++i) {
    const float* row = &floats[static_cast<size_t>(i) * kWidth];
    std::byte* to = &cache[i * row_bytes];
    if (is_int8) store_int8_row(quantize_kernels_of(table.isa), row, kLatent, to);
    const size_t stored = is_int8 ? kLatent : 0;
    std::memcpy(is_int8 ? to + int8_row_bytes(kLatent) : to, row + stored, (kWidth - stored) * sizeof(float));
  }
  const auto q = noise(4, kHeads * kWidth);
  std::vector<int32_t> blocks(kBlocks);
  for (int i = 0; i < kBlocks; ++i) blocks[i] = (i * 3) % kBlocks;
  std::vector<float> out(kHeads * kLatent);
  std::vector<float> scratch(paged_attention_scratch_floats(kWidth, kLatent));
  table.paged_attention({.q = q.data(),
                         .q_stride = q.size(),
                         .cache = cache.data(),
                         .key_offset = is_int8 ? int8_row_bytes(kLatent) : 0,
                         .value_offset = 0,
                         .block_stride = kBlockTokens * row_bytes,
                         .row_stride = row_bytes,
                         .has_int8_values = is_int8,
                         .int8_key_dim = is_int8 ? kLatent : 0,
                         .block_table = blocks.data(),
                         .block_tokens = kBlockTokens,
                         .num_rows = 1,
                         .num_keys = kKeys,
                         .window = 0,
                         .num_heads = kHeads,
                         .key_dim = kWidth,
                         .value_dim = kLatent,
                         .scale = 0.3f,
                         .out = out.data(),
                         .out_stride = out.size(),
                         .scratch = scratch.data()});
  hash->add(out);
}

/// Keys and values widened from latents, over which rows of one head attend.
void hash_split_attention(const KernelTable& table, Fnv* hash) {
  constexpr int kLatent = 24, kNope = 19, kRope = 10, kValue = 21, kKeys = 300, kRows = 5;
  constexpr int kKey = kNope + kRope, kWidth = kKey + kValue;
  const auto latents = noise(13, kKeys * kLatent);
  auto rows = noise(14, kKeys * kWidth);
  const auto widen = [&](uint32_t stream, int num_rows, float* to) {
    PackedMatrix w(num_rows, kLatent, PackedType::kF32);
    w.set_rows(0, num_rows, noise(stream, num_rows * kLatent).data(), Dtype::kF32, kLatent, 1);
    table.product({w.data(), false, num_rows, kLatent, 1, latents.data(), kLatent, to, kWidth, kKeys});
  };
  widen(15, kNope, rows.data());
  widen(16, kValue, rows.data() + kKey);
  const auto q = noise(17, kRows * kKey);
  const int32_t block = 0;
  std::vector<float> out(kRows * kValue);
  std::vector<float> scratch(paged_attention_scratch_floats(kKey, kValue));
  table.paged_attention({.q = q.data(),
                         .q_stride = kKey,
                         .cache = reinterpret_cast<const std::byte*>(rows.data()),
                         .key_offset = 0,
                         .value_offset = kKey * sizeof(float),
                         .block_stride = 0,
                         .row_stride = kWidth * sizeof(float),
                         .has_int8_values = false,
                         .int8_key_dim = 0,
                         .block_table = &block,
                         .block_tokens = kKeys,
                         .num_rows = kRows,
                         .num_keys = kKeys - kRows + 1,
                         .window = 0,
                         .num_heads = 1,
                         .key_dim = kKey,
                         .value_dim = kValue,
                         .scale = 0.3f,
                         .out = out.data(),
                         .out_stride = kValue,
                         .scratch = scratch.data()});
  hash->add(out);
}

void hash_choices(const KernelTable& table, Fnv* hash) {
  const RopeTable rope(900, {.rotary_dim = 16});
  auto rotated = noise(5, 32);
  rope.rotate(877, rotated.data(), 2, 16);
  hash->add(rotated);
  const auto logits = noise(6, 512);
  int32_t ids[4];
  std::vector<float> weights(4);
  std::vector<float> scratch(kRouterScratch * 32);
  table.router({.shape = {32, 4, 2, 4, 2.5f, true},
                .logits = logits.data(),
                .bias = logits.data() + 32,
                .expert_ids = ids,
                .weights = weights.data(),
                .scratch = scratch.data()});
  hash->add(weights);
  Sampler sampler;
  for (int position = 1; position < 64; ++position) {
    SampledToken token;
    const Status status = sampler.sample(logits.data(), 512, {0.8f, 40, 0.9f, 0.01f, 77, true, 0}, position, &token);
    hash->add(status.ok() ? static_cast<uint32_t>(token.token_id) : ~0u);
    hash->add(std::vector<float>{token.logprob});
  }
}

}  // namespace

std::string numeric_class(const std::string& policy, const std::string& kernel_class) {
  Fnv hash;
  hash_dense_operations(kernels(), &hash);
  hash_bf16_product(kernels(), &hash);
  hash_int8_product(kernels(), &hash);
  hash_block_products(kernels(), &hash);
  for (const bool is_int8 : {false, true}) hash_attention(kernels(), is_int8, &hash);
  hash_choices(kernels(), &hash);
  if (kernel_class == "mla-split") hash_split_attention(kernels(), &hash);
  char text[96];
  std::snprintf(text, sizeof text, "%s/%s/%d/%016llx", policy.c_str(), kernel_class.c_str(), kContractVersion,
                static_cast<unsigned long long>(hash.value()));
  return text;
}

}  // namespace switchyard
