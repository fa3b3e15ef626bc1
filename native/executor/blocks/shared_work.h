// Kernels as the blocks call them: cut by outputs, rows or heads and shared among the threads of a pool. What each thread writes has the
// bits that one thread alone would write, since no sum is cut. Small work stays in the calling thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/thread_pool.h"
#include "kernels/product/input_storage.h"

namespace switchyard::executor {

/// Of a number that is copied or made narrow for a product, in multiply-adds.
inline constexpr size_t kNarrowWork = 4;

/// Into how many pieces `work` multiply-adds are cut. A thread that lost its core for a while leaves the rest to the others.
int pieces_for(const ThreadPool& pool, size_t work);

/// body(first, end, worker) over pieces of [0, count), an item of which takes about item_work multiply-adds.
template <class Body>
void share_items(ThreadPool* pool, int count, size_t item_work, const Body& body) {
  pool->run_ranges(count, pieces_for(*pool, count * item_work), body);
}

/// prepare_input of kernels/product, cut by tokens. Without storage it lasts until the calling thread's next.
ProductInput shared_input(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                          InputStorage* storage);
ProductInput shared_input(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens);

/// product() of kernels/product, cut by tokens while the input is made ready and then by groups of output rows.
void shared_product(ThreadPool* pool, const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride,
                    int num_tokens, int num_slices = 1);

/// The same of an input that is ready: shared_input's, or INT8 rows that came so.
void shared_product(ThreadPool* pool, const PackedMatrix& w, const ProductInput& input, float* y, size_t y_stride,
                    int num_slices = 1);

/// One of several products.
struct SharedProduct {
  const PackedMatrix* w;
  ProductInput input;
  float* y = nullptr;
  size_t y_stride = 0;
  int num_slices = 1;
};

/// Room for the inputs, each in its storage, [products]. They hold x as it is; fill_input makes them ready.
void reserve_inputs(std::span<SharedProduct> products, InputStorage* storage);

/// The same, and makes them ready.
void shared_inputs(ThreadPool* pool, std::span<SharedProduct> products, InputStorage* storage);

/// Products that need nothing of each other, in one region: small ones are many pieces together.
void shared_products(ThreadPool* pool, std::span<const SharedProduct> products);

/// x [num_rows][size] as INT8 rows, int8_wire_bytes(size) apart (base/quantize_row.h).
void shared_quantize(ThreadPool* pool, const float* x, int num_rows, int size, std::byte* rows);

/// RMSNorm of rows packed without gaps, x and y [num_rows][size].
void shared_rmsnorm(ThreadPool* pool, const float* x, const float* weight, float* y, int num_rows, int size, float eps);

/// x = silu(gate) * up, and shared_inputs while its rows are near. gate_up: [tokens of all products][2 * columns]; x: [the same][columns],
/// of which each product holds its part.
void shared_activations(ThreadPool* pool, const float* gate_up, float* x, std::span<SharedProduct> products,
                        InputStorage* storage);

}  // namespace switchyard::executor
