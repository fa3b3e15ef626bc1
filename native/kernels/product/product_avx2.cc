#include "kernels/lanes/lanes_avx2.h"

namespace switchyard {
namespace {

struct Tile {
  static constexpr int kTokens = 6;
  static constexpr int kSums = 6;  // of two registers each, of the 16
};

}  // namespace
}  // namespace switchyard

#include "kernels/product/product_lanes.h"

namespace switchyard {

void product_avx2(const ProductArgs& args) { run_product_of_any_weight(args); }

}  // namespace switchyard
