// The reference: chunk by chunk, merged by plain recursion.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/math.h"
#include "base/quantize_row.h"
#include "kernels/attention/paged_attention.h"
#include "kernels/lanes/fold.h"

namespace switchyard {
namespace {

struct Partial {
  float max;
  float sum;
  std::vector<float> out;  // [value_dim]
};

const std::byte* row_at(const PagedAttentionArgs& args, int j) {
  const size_t in_block = static_cast<size_t>(j % args.block_tokens) * args.row_stride;
  return args.cache + args.block_table[j / args.block_tokens] * args.block_stride + in_block;
}

float score(const PagedAttentionArgs& args, const float* q, int j) {
  const std::byte* value = row_at(args, j) + args.value_offset;
  const auto* key = reinterpret_cast<const float*>(row_at(args, j) + args.key_offset);
  float lane[kLanes] = {};
  if (args.int8_key_dim > 0) {
    const auto* numbers = reinterpret_cast<const int8_t*>(value);
    for (int d = 0; d < args.int8_key_dim; ++d) {
      lane[d % kLanes] = std::fma(q[d], static_cast<float>(numbers[d]), lane[d % kLanes]);
    }
    for (float& sum : lane) sum *= int8_row_scale(value, args.value_dim);
    q += args.int8_key_dim;
  }
  for (int d = 0; d < args.key_dim - args.int8_key_dim; ++d)
    lane[d % kLanes] = std::fma(q[d], key[d], lane[d % kLanes]);
  return fold16(lane) * args.scale;
}

/// out [value_dim] += p * the value of key j, the scale of an INT8 value being p's.
void add_value(const PagedAttentionArgs& args, int j, float p, std::vector<float>* out) {
  const std::byte* value = row_at(args, j) + args.value_offset;
  if (!args.has_int8_values) {
    const auto* numbers = reinterpret_cast<const float*>(value);
    for (int c = 0; c < args.value_dim; ++c) (*out)[c] = std::fma(p, numbers[c], (*out)[c]);
    return;
  }
  const auto* numbers = reinterpret_cast<const int8_t*>(value);
  const float weight = p * int8_row_scale(value, args.value_dim);
  for (int c = 0; c < args.value_dim; ++c) (*out)[c] = std::fma(weight, static_cast<float>(numbers[c]), (*out)[c]);
}

/// A head of a row, and the keys [first_key, num_keys) that it sees.
struct Query {
  const float* q;  // [key_dim]
  int first_key;
  int num_keys;
};

Partial attend_chunk(const PagedAttentionArgs& args, const Query& query, int chunk) {
  const int first = std::max(chunk * kChunkKeys, query.first_key);
  const int count = std::min((chunk + 1) * kChunkKeys, query.num_keys) - first;
  std::vector<float> p(count);
  for (int j = 0; j < count; ++j) p[j] = score(args, query.q, first + j);
  float max = p[0];
  for (const float s : p) max = s > max ? s : max;
  float lane[kLanes] = {};
  for (int j = 0; j < count; ++j) {
    p[j] = exp32(p[j] - max);
    lane[j % kLanes] += p[j];
  }
  Partial result{max, fold16(lane), std::vector<float>(args.value_dim, 0.0f)};
  for (int j = 0; j < count; ++j) add_value(args, first + j, p[j], &result.out);
  return result;
}

Partial merge(const Partial& a, const Partial& b) {
  const float max = a.max > b.max ? a.max : b.max;
  const float wa = exp32(a.max - max);
  const float wb = exp32(b.max - max);
  Partial result{max, std::fma(b.sum, wb, a.sum * wa), std::vector<float>(a.out.size())};
  for (size_t c = 0; c < a.out.size(); ++c) result.out[c] = std::fma(b.out[c], wb, a.out[c] * wa);
  return result;
}

Partial attend_chunks(const PagedAttentionArgs& args, const Query& query, int first, int count) {
  if (count == 1) return attend_chunk(args, query, first);
  int left = 1;
  while (left * 2 < count) left *= 2;
  return merge(attend_chunks(args, query, first, left), attend_chunks(args, query, first + left, count - left));
}

void attend(const PagedAttentionArgs& args, const Query& query, float* out) {
  const int first_chunk = query.first_key / kChunkKeys;
  const int num_chunks = (query.num_keys + kChunkKeys - 1) / kChunkKeys - first_chunk;
  const Partial result = attend_chunks(args, query, first_chunk, num_chunks);
  const float inverse = 1.0f / result.sum;
  for (int c = 0; c < args.value_dim; ++c) out[c] = result.out[c] * inverse;
}

}  // namespace

void paged_attention_ref(const PagedAttentionArgs& args) {
  for (int row = 0; row < args.num_rows; ++row) {
    const int num_keys = args.num_keys + row;
    for (int h = 0; h < args.num_heads; ++h) {
      const float* q = args.q + row * args.q_stride + static_cast<size_t>(h) * args.key_dim;
      float* out = args.out + row * args.out_stride + static_cast<size_t>(h) * args.value_dim;
      attend(args, {q, args.first_key_of(num_keys), num_keys}, out);
    }
  }
}

}  // namespace switchyard
