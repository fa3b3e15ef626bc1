// The vector form without `vdpbf16ps`: two fma a pair, while the thread's mode of rounding takes denormals for zero. Include behind a
// lanes_*.h and a product_tile_*.h.
#pragma once

#include "kernels/product/product_lanes.h"
#include "kernels/product_bf16/pair_steps.h"

namespace switchyard {
namespace {

/// Operands and results of this thread below 2^-126 are zero while it lives.
class DenormalsAreZero {
 public:
  DenormalsAreZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushResults | kFlushOperands); }
  ~DenormalsAreZero() { _mm_setcsr(before_); }
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
  static constexpr uint32_t kFlushResults = 0x8000;
  static constexpr uint32_t kFlushOperands = 0x0040;
  uint32_t before_;
};

struct PairForm : PairSteps {
  /// Weights and inputs take twice the registers.
  struct Tile {
    static constexpr int kTileTokens = RegisterTile::kTileTokens * 2 / 3;
    static constexpr int kSumsMax = RegisterTile::kSumsMax * 2 / 3;
    static constexpr int kSumsAlone = kSumsMax;
  };

  struct Columns {
    Lanes even;
    Lanes odd;
  };

  static Columns load_weights(const Weight* weights) { return {Lanes::load_low(weights), Lanes::load_high(weights)}; }
  static Columns load_input(const Input* x) { return {Lanes::broadcast_low(*x), Lanes::broadcast_high(*x)}; }
  static Lanes add(Lanes sum, const Columns& w, const Columns& x) {
    return Lanes::fma(w.even, x.even, Lanes::fma(w.odd, x.odd, sum));
  }
};

/// Not inlined, so that no arithmetic leaves the mode.
[[gnu::noinline]] void run_pairs(const Bf16ProductArgs& args) { run_product<PairForm>(args); }

inline void run_product_bf16(const Bf16ProductArgs& args) {
  const DenormalsAreZero mode;
  run_pairs(args);
}

}  // namespace
}  // namespace switchyard
