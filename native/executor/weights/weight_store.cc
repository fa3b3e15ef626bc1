#include "executor/weights/weight_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "executor/weights/block_units.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard::executor {
namespace {

/// What is widened at once when a matrix is packed.
constexpr uint64_t kPieceElements = uint64_t{1} << 20;

/// Calls consume(first row, number of rows, their elements) for all of a tensor's rows, in pieces of whole groups; no more than one of
/// them is in memory.
template <class Consume>
void for_each_piece(const StoredTensor& tensor, uint64_t num_rows, Consume consume) {
  const uint64_t groups = kPieceElements / tensor.row_elements() / kGroupRows;
  const uint64_t piece_rows = std::max<uint64_t>(1, groups) * kGroupRows;
  std::vector<float> scratch;
  for (uint64_t row = 0; row < num_rows; row += piece_rows) {
    const uint64_t count = std::min(piece_rows, num_rows - row);
    consume(row, count, tensor.rows(row, count, &scratch));
    tensor.release_rows(row, count);
  }
}

/// All rows of an int8 tensor into rows first_row.. of an INT8 matrix.
void set_all_int8_rows(const StoredTensor& tensor, int first_row, PackedMatrix* matrix) {
  const auto* values = reinterpret_cast<const int8_t*>(tensor.data);
  matrix->set_int8_rows(first_row, static_cast<int>(tensor.shape[0]), values, tensor.row_scales().data());
  tensor.release_rows(0, tensor.shape[0]);
}

/// All rows of a tensor in blocks into rows first_row.. of a matrix of that type.
void set_all_block_rows(const StoredTensor& tensor, int first_row, PackedMatrix* matrix) {
  const uint64_t piece_rows = std::max<uint64_t>(1, kPieceElements / tensor.row_elements());
  for (uint64_t row = 0, num_rows = tensor.shape[0]; row < num_rows; row += piece_rows) {
    const uint64_t count = std::min(piece_rows, num_rows - row);
    set_block_rows(tensor.data + tensor.bytes_of_rows(row), first_row + static_cast<int>(row), static_cast<int>(count),
                   matrix);
    tensor.release_rows(row, count);
  }
}

/// All rows of a tensor into rows first_row.. of a matrix.
void set_all_rows(const StoredTensor& tensor, int first_row, PackedMatrix* matrix) {
  if (is_block_type(matrix->type())) return set_all_block_rows(tensor, first_row, matrix);
  if (matrix->type() == PackedType::kInt8) return set_all_int8_rows(tensor, first_row, matrix);
  for_each_piece(tensor, tensor.shape[0], [&](uint64_t row, uint64_t count, const void* rows) {
    matrix->set_rows(first_row + static_cast<int>(row), static_cast<int>(count), rows, tensor.dtype(),
                     tensor.row_elements(), 1);
  });
}

void widen_rows(const StoredTensor& tensor, uint64_t num_rows, float* out) {
  for_each_piece(tensor, num_rows, [&](uint64_t, uint64_t count, const void* rows) {
    for (uint64_t i = 0; i < count * tensor.row_elements(); ++i) *out++ = widen(rows, tensor.dtype(), i);
  });
}

/// What a tensor is packed as whose numbers are taken one by one.
PackedType float_type(const StoredTensor& tensor, WeightPolicy policy) {
  if (tensor.dtype() != Dtype::kBf16) return PackedType::kF32;
  return policy == WeightPolicy::kBf16 ? PackedType::kBf16Pairs : PackedType::kBf16;
}

}  // namespace

Status WeightStore::open(const WeightPlan& plan, WeightPolicy policy) {
  policy_ = policy;
  return files_.open(plan);
}

void WeightStore::pack_into(ArenaWriter* writer, PackProgress* progress) {
  writer_ = writer;
  progress_ = progress;
  progress->total_bytes = files_.num_bytes();
}

Status WeightStore::find(const std::string& name, const std::vector<int64_t>& shape,
                         const StoredTensor** tensor) const {
  if (progress_ && progress_->is_cancelled) return {Code::kClosed, "packing the weights was cancelled"};
  return files_.find(name, shape, tensor);
}

Status WeightStore::choose_type(const std::string& name, const StoredTensor& tensor, PackedType* type) const {
  *type = float_type(tensor, policy_);
  if (policy_ == WeightPolicy::kBlockA8 && is_block_type(tensor.type)) *type = packed_block_type(tensor.type);
  if (policy_ != WeightPolicy::kW8a8 || tensor.type != StoredType::kI8) return {};
  *type = PackedType::kInt8;
  if (!tensor.is_int8_by_rows())
    return {Code::kInvalidArgument, "tensor " + name + " has scales by blocks of columns, policy w8a8 needs one a row"};
  if (tensor.shape[1] > kInt8ColumnsMax)
    return {Code::kInvalidArgument, "tensor " + name + " has " + std::to_string(tensor.shape[1]) +
                                        " columns, policy w8a8 allows " + std::to_string(kInt8ColumnsMax)};
  return {};
}

Status WeightStore::choose_type_of_heads(const HeadRows& of, const StoredTensor& tensor, PackedType* type) const {
  const bool stays_int8 = of.are_for_latents && tensor.type == StoredType::kI8;
  if (!of.is_transposed && (stays_int8 || is_block_type(tensor.type))) return choose_type(of.tensor, tensor, type);
  *type = float_type(tensor, policy_);
  return {};
}

void WeightStore::finish(const StoredTensor& tensor) const {
  if (!progress_) return;
  // A tensor that is read twice (tied embeddings) counts twice.
  progress_->done_bytes = std::min(progress_->total_bytes.load(), progress_->done_bytes + tensor.bytes);
}

Status WeightStore::load_vector(const std::string& name, int size, std::vector<float>* values) const {
  values->resize(size);
  if (arena_) {
    ArenaEntry entry;
    SWITCHYARD_RETURN_IF_ERROR(arena_->find("vector " + name, ArenaForm::kRows, 1, 1, size, &entry));
    for (int i = 0; i < size; ++i)
      (*values)[i] = widen(entry.data.get(), entry.shape.type == PackedType::kBf16 ? Dtype::kBf16 : Dtype::kF32, i);
    return {};
  }
  const StoredTensor* tensor;
  SWITCHYARD_RETURN_IF_ERROR(find(name, {size}, &tensor));
  widen_rows(*tensor, 1, values->data());
  finish(*tensor);
  if (!writer_) return {};
  return writer_->add("vector " + name, {ArenaForm::kRows, PackedType::kF32, 1, 1, static_cast<uint32_t>(size)},
                      {values->data()});
}

Status WeightStore::load_table(const std::string& name, int num_rows, int num_columns, RowTable* table) const {
  const std::string entry_name = "table " + name;
  if (arena_) {
    ArenaEntry entry;
    SWITCHYARD_RETURN_IF_ERROR(arena_->find(entry_name, ArenaForm::kRows, 1, num_rows, num_columns, &entry));
    *table = {entry.data, entry.shape.stored_type()};
    return {};
  }
  const StoredTensor* tensor;
  SWITCHYARD_RETURN_IF_ERROR(find(name, {num_rows, num_columns}, &tensor));
  const PackedType type = is_block_type(tensor->type) ? packed_block_type(tensor->type) : float_type(*tensor, policy_);
  const ArenaShape shape = {ArenaForm::kRows, type, 1, static_cast<uint32_t>(num_rows),
                            static_cast<uint32_t>(num_columns)};
  const void* rows = tensor->data;
  std::shared_ptr<std::byte[]> copy;
  const bool is_as_stored = tensor->type == shape.stored_type();
  if (!writer_ || !is_as_stored) {
    copy.reset(new std::byte[shape.matrix_bytes()]);
    rows = copy.get();
    if (is_as_stored) {
      std::memcpy(copy.get(), tensor->data, shape.matrix_bytes());
    } else {
      widen_rows(*tensor, num_rows, reinterpret_cast<float*>(copy.get()));
    }
  }
  if (writer_) {
    SWITCHYARD_RETURN_IF_ERROR(writer_->add(entry_name, shape, {rows}));
  } else {
    *table = {{copy, copy.get()}, shape.stored_type()};
  }
  tensor->release_rows(0, num_rows);
  finish(*tensor);
  return {};
}

Status WeightStore::load_packed(const std::string& name, int count, int num_rows, int num_columns, const Pack& pack,
                                std::vector<PackedMatrix>* matrices) const {
  if (arena_) {
    ArenaEntry entry;
    SWITCHYARD_RETURN_IF_ERROR(arena_->find(name, ArenaForm::kPacked, count, num_rows, num_columns, &entry));
    for (int i = 0; i < count; ++i) matrices->emplace_back(num_rows, num_columns, entry.shape.type, entry.matrix(i));
    return {};
  }
  SWITCHYARD_RETURN_IF_ERROR(pack(matrices));
  if (!writer_) return {};
  std::vector<const void*> data;
  for (const PackedMatrix& matrix : *matrices) data.push_back(matrix.data());
  const ArenaShape shape = {ArenaForm::kPacked, matrices->front().type(), static_cast<uint32_t>(count),
                            static_cast<uint32_t>(num_rows), static_cast<uint32_t>(num_columns)};
  SWITCHYARD_RETURN_IF_ERROR(writer_->add(name, shape, data));
  matrices->assign(count, PackedMatrix());
  return {};
}

Status WeightStore::load_one(const std::string& name, int num_rows, int num_columns, const Pack& pack,
                             PackedMatrix* matrix) const {
  std::vector<PackedMatrix> matrices;
  SWITCHYARD_RETURN_IF_ERROR(load_packed(name, 1, num_rows, num_columns, pack, &matrices));
  *matrix = std::move(matrices.front());
  return {};
}

Status WeightStore::load_matrix(const std::string& name, int num_rows, int num_columns, PackedMatrix* matrix) const {
  const auto pack = [&](std::vector<PackedMatrix>* matrices) {
    const StoredTensor* tensor;
    SWITCHYARD_RETURN_IF_ERROR(find(name, {num_rows, num_columns}, &tensor));
    PackedType type;
    SWITCHYARD_RETURN_IF_ERROR(choose_type(name, *tensor, &type));
    set_all_rows(*tensor, 0, &matrices->emplace_back(num_rows, num_columns, type));
    finish(*tensor);
    return Status();
  };
  return load_one("matrix " + name, num_rows, num_columns, pack, matrix);
}

Status WeightStore::load_stacked(const std::string& first, const std::string& second, int rows, int num_columns,
                                 PackedMatrix* matrix) const {
  const auto pack = [&](std::vector<PackedMatrix>* matrices) {
    const StoredTensor* a;
    const StoredTensor* b;
    SWITCHYARD_RETURN_IF_ERROR(find(first, {rows, num_columns}, &a));
    SWITCHYARD_RETURN_IF_ERROR(find(second, {rows, num_columns}, &b));
    PackedType type_a;
    PackedType type_b;
    SWITCHYARD_RETURN_IF_ERROR(choose_type(first, *a, &type_a));
    SWITCHYARD_RETURN_IF_ERROR(choose_type(second, *b, &type_b));
    const PackedType type = type_a == type_b ? type_a : PackedType::kF32;
    PackedMatrix& stacked = matrices->emplace_back(2 * rows, num_columns, type);
    set_all_rows(*a, 0, &stacked);
    set_all_rows(*b, rows, &stacked);
    finish(*a);
    finish(*b);
    return Status();
  };
  return load_one("stacked " + first + " " + second, 2 * rows, num_columns, pack, matrix);
}

Status WeightStore::load_heads(const HeadRows& of, std::vector<PackedMatrix>* heads) const {
  const auto num_columns = static_cast<int>(of.shape.back());
  const int matrix_rows = of.is_transposed ? num_columns : of.num_rows;
  const int matrix_columns = of.is_transposed ? of.num_rows : num_columns;
  const auto pack = [&](std::vector<PackedMatrix>* matrices) {
    const StoredTensor* tensor;
    SWITCHYARD_RETURN_IF_ERROR(find(of.tensor, of.shape, &tensor));
    PackedType type;
    SWITCHYARD_RETURN_IF_ERROR(choose_type_of_heads(of, *tensor, &type));
    const std::vector<float> scales = type == PackedType::kInt8 ? tensor->row_scales() : std::vector<float>();
    std::vector<float> scratch;
    for (int h = 0; h < of.num_heads; ++h) {
      const uint64_t first = static_cast<uint64_t>(h) * of.head_rows + of.first_row;
      PackedMatrix& head = matrices->emplace_back(matrix_rows, matrix_columns, type);
      if (is_block_type(type)) {
        set_block_rows(tensor->data + tensor->bytes_of_rows(first), 0, matrix_rows, &head);
      } else if (type == PackedType::kInt8) {
        const auto* values = reinterpret_cast<const int8_t*>(tensor->data) + first * num_columns;
        head.set_int8_rows(0, matrix_rows, values, &scales[first]);
      } else {
        head.set_rows(0, matrix_rows, tensor->rows(first, of.num_rows, &scratch), tensor->dtype(),
                      of.is_transposed ? 1 : num_columns, of.is_transposed ? num_columns : 1);
      }
      tensor->release_rows(first, of.num_rows);
    }
    finish(*tensor);
    return Status();
  };
  const std::string use = of.are_for_latents ? " for latents" : "";
  const std::string name = "heads " + of.tensor + " " + std::to_string(of.first_row) + use;
  return load_packed(name, of.num_heads, matrix_rows, matrix_columns, pack, heads);
}

}  // namespace switchyard::executor
