// Rotary embedding of 1 and 32 tokens of 16 heads, both orders of pairs.
#include "kernels/rope/rope.h"

#include <cmath>

#include "kernels/bench/kernel_case.h"

namespace switchyard::bench {

namespace {

constexpr int kNumHeads = 16;

struct Shape {
  bool is_interleaved;
  int rotary_dim;
  int num_tokens;
};

/// Of as many tokens, [num_tokens][rotary_dim]. A turn keeps the length of a pair, so that numbers stay ordinary run after run.
std::vector<float> some_turns(const Shape& shape) {
  const RopePairs pairs = rope_pairs(shape.rotary_dim, shape.is_interleaved);
  std::vector<float> turns(size_t(shape.num_tokens) * shape.rotary_dim);
  for (int t = 0; t < shape.num_tokens; ++t) {
    for (int i = 0; i < shape.rotary_dim / 2; ++i) {
      float* c = &turns[size_t(t) * shape.rotary_dim + i * pairs.step];
      c[0] = std::cos(static_cast<float>(t + i));
      c[pairs.width] = std::sin(static_cast<float>(t + i));
    }
  }
  return turns;
}

KernelBench describe(void (*kernel)(const RopeArgs&), const Shape& shape) {
  const auto [is_interleaved, rotary_dim, num_tokens] = shape;
  const double num_pairs = double(num_tokens) * kNumHeads * rotary_dim / 2;
  // x is read and written; a token's cosines and sines serve all of its heads. A pair takes two products and two fma.
  const double bytes = num_pairs * 4 * sizeof(float) + double(num_tokens) * rotary_dim * sizeof(float);
  const std::string order = is_interleaved ? "interleaved" : "halves";
  return {"rope-" + order + "-16x" + std::to_string(rotary_dim) + "-" + std::to_string(num_tokens) + "t-hot",
          RateUnit::kGbytes,
          {num_pairs * 6, bytes, span_of(bytes, false)},
          [=] {
            const size_t token_floats = size_t(kNumHeads) * rotary_dim;
            const auto turns = some_turns(shape);
            auto x = ordinary_floats(num_tokens * token_floats);
            return looped([=](uint64_t) mutable {
              for (int t = 0; t < num_tokens; ++t)
                kernel({&turns[size_t(t) * rotary_dim], &x[t * token_floats], size_t(rotary_dim), kNumHeads, rotary_dim,
                        is_interleaved});
            });
          }};
}

const std::vector<Shape> kShapes{{true, 64, 1}, {false, 128, 1}, {true, 64, 32}, {false, 128, 32}};

const CaseTable table(cases_of_forms(&KernelTable::rope, kShapes, describe));

}  // namespace

}  // namespace switchyard::bench
