#include "executor/blocks/shared_work.h"

#include "base/quantize_row.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Groups that a product's kernel takes together; pieces are whole bands.
constexpr int kBandGroups = 4;

/// Of an element, in multiply-adds: a row is read twice, an exponential is a polynomial and a division.
constexpr size_t kNormWork = 4;
constexpr size_t kSiluWork = 32;

int bands_of(const PackedMatrix& w) { return (w.num_groups() + kBandGroups - 1) / kBandGroups; }

/// Bands [first, end); nothing where that is empty.
void run_bands(const SharedProduct& product, int first, int end) {
  if (first >= end) return;
  const int first_group = first * kBandGroups;
  const int num_groups = std::min(end * kBandGroups, product.w->num_groups()) - first_group;
  product_groups(*product.w, first_group, num_groups, product.input, product.y, product.y_stride, product.num_slices);
}

}  // namespace

void shared_product(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride,
                    int num_tokens, int num_slices) {
  shared_product(pool, w, prepare_input(w, x, x_stride, num_tokens), y, y_stride, num_slices);
}

void shared_product(ThreadPool* pool, const PackedMatrix& w, const ProductInput& input, float* y, size_t y_stride,
                    int num_slices) {
  const SharedProduct product{&w, input, y, y_stride, num_slices};
  shared_products(pool, {&product, 1});
}

void shared_products(ThreadPool* pool, std::span<const SharedProduct> products) {
  int num_bands = 0;
  size_t work = 0;
  for (const SharedProduct& product : products) {
    num_bands += bands_of(*product.w);
    work += static_cast<size_t>(product.w->num_rows()) * product.w->num_columns() * product.input.num_tokens;
  }
  if (num_bands == 0) return;
  pool->run_ranges(num_bands, items_a_piece(work / num_bands), [&](int first, int end, int) {
    int base = 0;  // bands before this product
    for (const SharedProduct& product : products) {
      const int own_bands = bands_of(*product.w);
      run_bands(product, std::max(first - base, 0), std::min(end - base, own_bands));
      base += own_bands;
      if (base >= end) return;
    }
  });
}

void shared_quantize(ThreadPool* pool, const float* x, int num_rows, int size, std::byte* rows) {
  const QuantizeKernels& quantize = quantize_kernels_of(kernels().isa);
  pool->run_ranges(num_rows, items_a_piece(size * kNarrowWork), [&](int first, int end, int) {
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
