// Packing of product.h, and the call through the registry.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/product/input_storage.h"
#include "kernels/registry.h"

namespace switchyard {
namespace {

static_assert(kInt8GroupRows == kGroupRows);

constexpr size_t kAlignment = 64;
constexpr uint64_t kBytesMax = uint64_t{1} << 48;

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

/// Rows [first_row, first_row + num_rows) into groups of 16, `[group][step][16][StepColumns]`. A group's columns are written in the order in
/// which they lie, while its rows are read side by side. `convert` takes an element of the source to one of the target.
template <int StepColumns, class Source, class Target, class Convert>
void pack_rows(const Source* source, size_t row_stride, size_t column_stride, int first_row, int num_rows,
               int num_columns, Target* groups, Convert convert) {
  constexpr size_t kStepSize = kGroupRows * StepColumns;
  const size_t num_steps = (num_columns + StepColumns - 1) / StepColumns;
  for (int row = 0; row < num_rows;) {
    const int lane = (first_row + row) % kGroupRows;
    const int num_lanes = std::min(kGroupRows - lane, num_rows - row);
    Target* target = groups + (first_row + row) / kGroupRows * num_steps * kStepSize + lane * StepColumns;
    const Source* first = source + row * row_stride;
    for (int k = 0; k < num_columns; ++k) {
      Target* step = target + k / StepColumns * kStepSize + k % StepColumns;
      for (int i = 0; i < num_lanes; ++i) step[i * StepColumns] = convert(first[i * row_stride + k * column_stride]);
    }
    row += num_lanes;
  }
}

/// Bytes of a row's columns; not of block types.
uint64_t columns_bytes(uint64_t num_columns, PackedType type) {
  if (type == PackedType::kInt8) return (num_columns + kInt8QuadColumns - 1) / kInt8QuadColumns * kInt8QuadColumns;
  if (type == PackedType::kBf16Pairs) return (num_columns + 1) / 2 * sizeof(uint32_t);
  return num_columns * (type == PackedType::kBf16 ? sizeof(uint16_t) : sizeof(float));
}

/// Less than 9 bits a number, so nothing leaves 64 bits before it is compared.
uint64_t packed_block_bytes(uint64_t num_groups, uint64_t num_columns, const BlockForm& form) {
  if (num_columns % form.unit_columns != 0) return 0;
  const uint64_t unit_bytes = form.unit_blocks() * form.code_bytes() + form.scale_bytes();
  const uint64_t num_units = num_columns / form.unit_columns;
  return num_groups > kBytesMax / unit_bytes / num_units ? 0 : num_groups * num_units * unit_bytes;
}

}  // namespace

uint64_t packed_bytes(uint64_t num_rows, uint64_t num_columns, PackedType type) {
  if (num_rows == 0 || num_columns == 0 || num_rows > kBytesMax || num_columns > kBytesMax) return 0;
  const uint64_t rows = (num_rows + kGroupRows - 1) / kGroupRows * kGroupRows;
  if (is_block_type(type)) return packed_block_bytes(rows / kGroupRows, num_columns, block_form(type));
  const uint64_t row_bytes = columns_bytes(num_columns, type) + (type == PackedType::kInt8 ? sizeof(float) : 0);
  return rows > kBytesMax / row_bytes ? 0 : rows * row_bytes;
}

PackedMatrix::PackedMatrix(int num_rows, int num_columns, PackedType type)
    : num_rows_(num_rows), num_columns_(num_columns), type_(type) {
  if (num_bytes() == 0 || (type == PackedType::kInt8 && num_columns > kInt8ColumnsMax)) std::abort();
  const std::shared_ptr<std::byte> own = allocate(num_bytes());
  own_ = own.get();
  data_ = own;
}

PackedMatrix::PackedMatrix(int num_rows, int num_columns, PackedType type, std::shared_ptr<const std::byte> data)
    : num_rows_(num_rows), num_columns_(num_columns), type_(type), data_(std::move(data)) {}

void PackedMatrix::set_rows(int first_row, int num_rows, const void* data, Dtype dtype, size_t row_stride,
                            size_t column_stride) {
  const bool is_bf16 = type_ == PackedType::kBf16 || type_ == PackedType::kBf16Pairs;
  const bool is_of_type = is_bf16 ? dtype == Dtype::kBf16 : type_ == PackedType::kF32;
  if (!own_ || first_row < 0 || first_row + num_rows > num_rows_ || !is_of_type) std::abort();
  const auto pack = [&]<int StepColumns = 1>(const auto* source, auto* target, auto convert) {
    pack_rows<StepColumns>(source, row_stride, column_stride, first_row, num_rows, num_columns_, target, convert);
  };
  const auto same = [](auto value) { return value; };
  const auto* halves = static_cast<const uint16_t*>(data);
  auto* own_halves = reinterpret_cast<uint16_t*>(own_);
  auto* floats = reinterpret_cast<float*>(own_);
  if (type_ == PackedType::kBf16Pairs) {
    pack.operator()<2>(halves, own_halves, same);
  } else if (is_bf16) {
    pack(halves, own_halves, same);
  } else if (dtype == Dtype::kBf16) {
    pack(halves, floats, bf16_to_float);
  } else if (dtype == Dtype::kF16) {
    pack(halves, floats, fp16_to_float);
  } else {
    pack(static_cast<const float*>(data), floats, same);
  }
}

void PackedMatrix::set_int8_rows(int first_row, int num_rows, const int8_t* data, const float* scales) {
  if (!own_ || first_row < 0 || first_row + num_rows > num_rows_ || type_ != PackedType::kInt8) std::abort();
  pack_rows<kInt8QuadColumns>(data, num_columns_, 1, first_row, num_rows, num_columns_,
                              reinterpret_cast<uint8_t*>(own_),
                              [](int8_t q) { return static_cast<uint8_t>(q + kInt8Zero); });
  std::memcpy(own_ + scales_offset() + first_row * sizeof(float), scales, num_rows * sizeof(float));
}

void PackedMatrix::set_block_unit(int row, int unit_idx, const BlockUnit& unit) {
  if (!own_ || row < 0 || row >= num_rows_ || !is_block_type(type_)) std::abort();
  if (unit_idx < 0 || unit_idx >= num_columns_ / block_form(type_).unit_columns) std::abort();
  auto* codes = reinterpret_cast<uint8_t*>(own_);
  pack_block_unit(type_, num_columns_, row, unit_idx, unit, codes, codes + scales_offset());
}

size_t PackedMatrix::scales_offset() const {
  if (is_block_type(type_)) return block_code_bytes(num_rows_, num_columns_, type_);
  return num_bytes() - sizeof(float) * kGroupRows * num_groups();
}

ProductInput reserve_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                           InputStorage* storage) {
  ProductInput input{.x = x, .x_stride = x_stride, .num_tokens = num_tokens};
  if (is_block_type(w.type())) {
    input.blocks = storage->blocks.resize(num_tokens, w.num_columns() / kBlockColumns);
  } else if (w.type() == PackedType::kInt8) {
    storage->int8.resize(w.num_columns(), num_tokens);
    input.int8 = &storage->int8;
  } else if (w.type() == PackedType::kBf16Pairs) {
    storage->bf16.resize(w.num_columns(), num_tokens);
    input.bf16 = &storage->bf16;
  }
  return input;
}

void fill_input(const PackedMatrix& w, const ProductInput& input, int first_token, int end_token,
                InputStorage* storage) {
  if (is_block_type(w.type())) {
    const int num_blocks = w.num_columns() / kBlockColumns;
    kernels().quantize_blocks({block_form(w.type()), input.x, input.x_stride, num_blocks, input.num_tokens, first_token,
                               end_token, storage->blocks.data()});
  } else if (w.type() == PackedType::kInt8) {
    storage->int8.quantize(input.x, input.x_stride, first_token, end_token);
  } else if (w.type() == PackedType::kBf16Pairs) {
    storage->bf16.round(input.x, input.x_stride, first_token, end_token);
  }
}

ProductInput prepare_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                           InputStorage* storage) {
  const ProductInput input = reserve_input(w, x, x_stride, num_tokens, storage);
  fill_input(w, input, 0, num_tokens, storage);
  return input;
}

ProductInput prepare_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens) {
  static thread_local InputStorage storage;
  return prepare_input(w, x, x_stride, num_tokens, &storage);
}

void product_groups(const PackedMatrix& w, int first_group, int num_groups, const ProductInput& input, float* y,
                    size_t y_stride, int num_slices) {
  const int first_row = first_group * kGroupRows;
  const int num_rows = std::min(num_groups * kGroupRows, w.num_rows() - first_row);
  y += first_row;
  if (is_block_type(w.type())) {
    const BlockForm form = block_form(w.type());
    const int num_blocks = w.num_columns() / kBlockColumns;
    const size_t group_scales = num_blocks / form.unit_blocks() * form.scale_bytes();
    return kernels().product_block(
        {w.type(), static_cast<const uint8_t*>(w.data()) + first_group * num_blocks * form.code_bytes(),
         w.block_scales() + first_group * group_scales, num_rows, num_blocks,
         num_blocks % num_slices == 0 ? num_slices : 1, input.blocks, y, y_stride, input.num_tokens});
  }
  const auto* weights = static_cast<const std::byte*>(w.data()) + first_row * columns_bytes(w.num_columns(), w.type());
  if (w.type() == PackedType::kInt8) {
    return kernels().product_int8({reinterpret_cast<const uint8_t*>(weights), w.scales() + first_row, num_rows,
                                   int8_num_quads(w.num_columns()), input.int8->values(), input.int8->rows(), y,
                                   y_stride, input.num_tokens});
  }
  if (w.type() == PackedType::kBf16Pairs) {
    const bool ends_between_pairs = w.num_columns() % (2 * num_slices) == 0;
    return kernels().product_bf16({weights, num_rows, bf16_num_pairs(w.num_columns()),
                                   ends_between_pairs ? num_slices : 1, input.bf16->pairs(), y, y_stride,
                                   input.num_tokens});
  }
  kernels().product({weights, w.type() == PackedType::kBf16, num_rows, w.num_columns(), num_slices, input.x,
                     input.x_stride, y, y_stride, input.num_tokens});
}

void product(const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride, int num_tokens,
             int num_slices) {
  const ProductInput input = prepare_input(w, x, x_stride, num_tokens);
  product_groups(w, 0, w.num_groups(), input, y, y_stride, num_slices);
}

}  // namespace switchyard
