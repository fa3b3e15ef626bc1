#include "kernels/lanes/lanes_avx512.h"

namespace switchyard {
namespace {

struct Tile {
  static constexpr int kTokens = 12;
  static constexpr int kSums = 24;  // of the 32 registers
};

}  // namespace
}  // namespace switchyard

#include "kernels/product/product_lanes.h"

namespace switchyard {

void product_avx512(const ProductArgs& args) { run_product_of_any_weight(args); }

}  // namespace switchyard
