#include "executor/blocks/shared_work.h"

#include "base/quantize_row.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Multiply-adds that are worth a piece of their own: some microseconds, where handing one over takes well under one.
constexpr size_t kPieceWork = size_t{1} << 15;

/// The same where there is much to do: what a piece sets up anew no longer counts, and the smaller the last one is, the shorter the others
/// wait for it.
constexpr size_t kLargePieceWork = size_t{1} << 23;

constexpr size_t kPiecesPerThread = 4;
constexpr size_t kLargePiecesPerThread = 16;

/// Groups that a product's kernel takes together; pieces are whole bands.
constexpr int kBandGroups = 4;

/// Of an element, in multiply-adds: a row is read twice, an exponential is a polynomial and a division.
constexpr size_t kNormWork = 4;
constexpr size_t kSiluWork = 32;

int bands_of(const PackedMatrix& w) { return (w.num_groups() + kBandGroups - 1) / kBandGroups; }

/// Items [first, end) of all that the products have, one product behind the other: run(product, its first item, its end).
template <class Count, class Run>
void run_items(std::span<const SharedProduct> products, int first, int end, const Count& count_of, const Run& run) {
  int base = 0;  // items before this product
  for (const SharedProduct& product : products) {
    const int own_first = std::max(first - base, 0);
    const int own_end = std::min(end - base, count_of(product));
    if (own_first < own_end) run(product, own_first, own_end);
    base += count_of(product);
    if (base >= end) return;
  }
}

void run_bands(const SharedProduct& product, int first, int end) {
  const int first_group = first * kBandGroups;
  const int num_groups = std::min(end * kBandGroups, product.w->num_groups()) - first_group;
  product_groups(*product.w, first_group, num_groups, product.input, product.y, product.y_stride, product.num_slices);
}

/// Tokens [first, end) of all that the products have.
void fill_inputs(std::span<const SharedProduct> products, int first, int end, InputStorage* storage) {
  run_items(
      products, first, end, [](const SharedProduct& product) { return product.input.num_tokens; },
      [&](const SharedProduct& product, int own_first, int own_end) {
        fill_input(*product.w, product.input, own_first, own_end, &storage[&product - products.data()]);
      });
}

}  // namespace

int pieces_for(const ThreadPool& pool, size_t work) {
  const size_t num_threads = pool.num_threads();
  if (num_threads == 1) return 1;
  return static_cast<int>(std::max(std::min(work / kPieceWork, kPiecesPerThread * num_threads),
                                   std::min(work / kLargePieceWork, kLargePiecesPerThread * num_threads)));
}

void reserve_inputs(std::span<SharedProduct> products, InputStorage* storage) {
  for (size_t i = 0; i < products.size(); ++i) {
    ProductInput& input = products[i].input;
    input = reserve_input(*products[i].w, input.x, input.x_stride, input.num_tokens, &storage[i]);
  }
}

void shared_inputs(ThreadPool* pool, std::span<SharedProduct> products, InputStorage* storage) {
  reserve_inputs(products, storage);
  int num_tokens = 0;
  size_t work = 0;
  for (const SharedProduct& product : products) {
    num_tokens += product.input.num_tokens;
    if (product.input.is_narrow()) work += kNarrowWork * product.w->num_columns() * product.input.num_tokens;
  }
  if (work == 0) return;
  share_items(pool, num_tokens, work / num_tokens,
              [&](int first, int end, int) { fill_inputs(products, first, end, storage); });
}

ProductInput shared_input(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                          InputStorage* storage) {
  SharedProduct product{&w, {x, x_stride, num_tokens}};
  shared_inputs(pool, {&product, 1}, storage);
  return product.input;
}

ProductInput shared_input(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens) {
  static thread_local InputStorage storage;
  return shared_input(pool, w, x, x_stride, num_tokens, &storage);
}

void shared_product(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride,
                    int num_tokens, int num_slices) {
  shared_product(pool, w, shared_input(pool, w, x, x_stride, num_tokens), y, y_stride, num_slices);
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
  share_items(pool, num_bands, work / num_bands, [&](int first, int end, int) {
    run_items(
        products, first, end, [](const SharedProduct& product) { return bands_of(*product.w); }, run_bands);
  });
}

void shared_quantize(ThreadPool* pool, const float* x, int num_rows, int size, std::byte* rows) {
  const QuantizeKernels& quantize = quantize_kernels_of(kernels().isa);
  share_items(pool, num_rows, size * kNarrowWork, [&](int first, int end, int) {
    for (size_t i = first; i < static_cast<size_t>(end); ++i)
      store_int8_row(quantize, x + i * size, size, rows + i * int8_wire_bytes(size));
  });
}

void shared_rmsnorm(ThreadPool* pool, const float* x, const float* weight, float* y, int num_rows, int size,
                    float eps) {
  const size_t stride = size;
  share_items(pool, num_rows, stride * kNormWork, [&](int first, int end, int) {
    kernels().rmsnorm({x + first * stride, stride, weight, y + first * stride, stride, end - first, size, eps});
  });
}

void shared_activations(ThreadPool* pool, const float* gate_up, float* x, std::span<SharedProduct> products,
                        InputStorage* storage) {
  const int size = products.front().w->num_columns();
  const size_t stride = size;
  reserve_inputs(products, storage);
  int num_tokens = 0;
  for (const SharedProduct& product : products) num_tokens += product.input.num_tokens;
  share_items(pool, num_tokens, stride * kSiluWork, [&](int first, int end, int) {
    kernels().silu_mul({gate_up + 2 * first * stride, x + first * stride, end - first, size});
    fill_inputs(products, first, end, storage);
  });
}

}  // namespace switchyard::executor
