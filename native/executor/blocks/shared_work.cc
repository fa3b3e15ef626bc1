#include "executor/blocks/shared_work.h"

#include "base/quantize_row.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Groups that a product's kernel takes together; pieces are whole bands.
constexpr int kBandGroups = 4;

/// Of an element, in multiply-adds: a row is read twice, an exponential is a polynomial and a division.
constexpr size_t kNormWork = 4;
constexpr size_t kQuantizeWork = 4;
constexpr size_t kSiluWork = 32;

}  // namespace

void shared_product(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride,
                    int num_tokens, int num_slices) {
  shared_product(pool, w, prepare_input(w, x, x_stride, num_tokens), y, y_stride, num_slices);
}

void shared_product(ThreadPool* pool, const PackedMatrix& w, const ProductInput& input, float* y, size_t y_stride,
                    int num_slices) {
  const int num_bands = (w.num_groups() + kBandGroups - 1) / kBandGroups;
  const size_t band_work = size_t{kBandGroups} * kGroupRows * w.num_columns() * input.num_tokens;
  pool->run_ranges(num_bands, items_a_piece(band_work), [&](int first, int end, int) {
    const int first_group = first * kBandGroups;
    const int num_groups = std::min(end * kBandGroups, w.num_groups()) - first_group;
    product_groups(w, first_group, num_groups, input, y, y_stride, num_slices);
  });
}

void shared_quantize(ThreadPool* pool, const float* x, int num_rows, int size, std::byte* rows) {
  const QuantizeKernels& quantize = quantize_kernels_of(kernels().isa);
  pool->run_ranges(num_rows, items_a_piece(size * kQuantizeWork), [&](int first, int end, int) {
    for (size_t i = first; i < static_cast<size_t>(end); ++i)
      store_int8_row(quantize, x + i * size, size, rows + i * int8_wire_bytes(size));
  });
}

void shared_rmsnorm(ThreadPool* pool, const float* x, const float* weight, float* y, int num_rows, int size,
                    float eps) {
  const size_t stride = size;
  pool->run_ranges(num_rows, items_a_piece(stride * kNormWork), [&](int first, int end, int) {
    kernels().rmsnorm({x + first * stride, stride, weight, y + first * stride, stride, end - first, size, eps});
  });
}

void shared_silu_mul(ThreadPool* pool, const float* gate_up, float* y, int num_rows, int size) {
  const size_t stride = size;
  pool->run_ranges(num_rows, items_a_piece(stride * kSiluWork), [&](int first, int end, int) {
    kernels().silu_mul({gate_up + 2 * first * stride, y + first * stride, end - first, size});
  });
}

}  // namespace switchyard::executor
