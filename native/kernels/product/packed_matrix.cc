// Packing of product.h, and the call through the registry.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/product/product.h"
#include "kernels/registry.h"

namespace switchyard {
namespace {

constexpr size_t kAlignment = 64;

/// From here on a matrix has pages of its own, which go back to the system with it: among smaller ones in the heap, the holes that packing
/// a model leaves are larger than a tensor.
constexpr size_t kOwnPagesBytes = size_t{1} << 20;

/// Zeros.
std::shared_ptr<std::byte> allocate(size_t num_bytes) {
  if (num_bytes >= kOwnPagesBytes) {
    void* pages = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    return {static_cast<std::byte*>(pages), [num_bytes](std::byte* data) { munmap(data, num_bytes); }};
  }
  const size_t rounded = (num_bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (!data) std::abort();
  std::memset(data, 0, rounded);
  return {data, [](std::byte* own) { std::free(own); }};
}

/// Rows [first_row, first_row + num_rows) into groups of 16. A group's columns are written in the order in which they lie, while its
/// rows are read side by side. `convert` takes an element of the source to one of the target.
template <class Source, class Target, class Convert>
void pack_rows(const Source* source, size_t row_stride, size_t column_stride, int first_row, int num_rows,
               int num_columns, Target* groups, Convert convert) {
  for (int row = 0; row < num_rows;) {
    const int lane = (first_row + row) % kGroupRows;
    const int num_lanes = std::min(kGroupRows - lane, num_rows - row);
    Target* target = groups + static_cast<size_t>((first_row + row) / kGroupRows) * num_columns * kGroupRows + lane;
    const Source* first = source + row * row_stride;
    for (int k = 0; k < num_columns; ++k) {
      for (int i = 0; i < num_lanes; ++i) target[i] = convert(first[i * row_stride + k * column_stride]);
      target += kGroupRows;
    }
    row += num_lanes;
  }
}

}  // namespace

PackedMatrix::PackedMatrix(int num_rows, int num_columns, bool is_bf16)
    : num_rows_(num_rows), num_columns_(num_columns), is_bf16_(is_bf16) {
  const std::shared_ptr<std::byte> own = allocate(num_bytes());
  own_ = own.get();
  data_ = own;
}

PackedMatrix::PackedMatrix(int num_rows, int num_columns, bool is_bf16, std::shared_ptr<const std::byte> data)
    : num_rows_(num_rows), num_columns_(num_columns), is_bf16_(is_bf16), data_(std::move(data)) {}

void PackedMatrix::set_rows(int first_row, int num_rows, const void* data, Dtype dtype, size_t row_stride,
                            size_t column_stride) {
  if (!own_ || first_row < 0 || first_row + num_rows > num_rows_ || (is_bf16_ && dtype != Dtype::kBf16)) std::abort();
  const auto pack = [&]<class Source, class Target>(const Source* source, Target* target, auto convert) {
    pack_rows(source, row_stride, column_stride, first_row, num_rows, num_columns_, target, convert);
  };
  const auto* halves = static_cast<const uint16_t*>(data);
  auto* floats = reinterpret_cast<float*>(own_);
  if (is_bf16_) {
    pack(halves, reinterpret_cast<uint16_t*>(own_), [](uint16_t bits) { return bits; });
  } else if (dtype == Dtype::kBf16) {
    pack(halves, floats, bf16_to_float);
  } else if (dtype == Dtype::kF16) {
    pack(halves, floats, fp16_to_float);
  } else {
    pack(static_cast<const float*>(data), floats, [](float value) { return value; });
  }
}

void product_groups(const PackedMatrix& w, int first_group, int num_groups, const float* x, size_t x_stride, float* y,
                    size_t y_stride, int num_tokens, int num_slices) {
  const int first_row = first_group * kGroupRows;
  const int num_rows = std::min(num_groups * kGroupRows, w.num_rows() - first_row);
  const size_t first_byte = w.num_bytes() / w.num_groups() * first_group;
  kernels().product({static_cast<const std::byte*>(w.data()) + first_byte, w.is_bf16(), num_rows, w.num_columns(),
                     num_slices, x, x_stride, y + first_row, y_stride, num_tokens});
}

void product(const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride, int num_tokens,
             int num_slices) {
  product_groups(w, 0, w.num_groups(), x, x_stride, y, y_stride, num_tokens, num_slices);
}

}  // namespace switchyard
