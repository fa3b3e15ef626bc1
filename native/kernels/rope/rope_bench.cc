// Rotary embedding of 1 and 32 tokens of 16 heads, both orders of pairs.
#include "kernels/rope/rope.h"

#include "kernels/bench/kernel_case.h"

namespace switchyard::bench {

namespace {

constexpr int kNumHeads = 16;

KernelBench describe(bool is_interleaved, int rotary_dim, int num_tokens) {
  const double num_pairs = double(num_tokens) * kNumHeads * rotary_dim / 2;
  // x is read and written; a token's cosines and sines serve all of its heads. A pair takes two products and two fma.
  const double bytes = num_pairs * 4 * sizeof(float) + double(num_tokens) * rotary_dim * sizeof(float);
  const std::string order = is_interleaved ? "interleaved" : "halves";
  return {"rope-" + order + "-16x" + std::to_string(rotary_dim) + "-" + std::to_string(num_tokens) + "t-hot",
          RateUnit::kGbytes,
          {num_pairs * 6, bytes, span_of(bytes, false)},
          [=] {
            auto table = std::make_shared<RopeTable>(
                num_tokens, RopeShape{.rotary_dim = rotary_dim, .is_interleaved = is_interleaved});
            auto x = ordinary_floats(size_t(num_tokens) * kNumHeads * rotary_dim);
            return looped([=](uint64_t) mutable {
              for (int t = 0; t < num_tokens; ++t)
                table->rotate(t, x.data() + size_t(t) * kNumHeads * rotary_dim, kNumHeads, rotary_dim);
            });
          }};
}

std::vector<Case> cases_of_rope() {
  std::vector<Case> result;
  for (const int num_tokens : {1, 32}) {
    result.push_back(case_of(describe(true, 64, num_tokens), kOnlyForm));
    result.push_back(case_of(describe(false, 128, num_tokens), kOnlyForm));
  }
  return result;
}

const CaseTable table(cases_of_rope());

}  // namespace

}  // namespace switchyard::bench
