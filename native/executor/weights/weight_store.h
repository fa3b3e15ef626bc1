// Where blocks get their weights: from the files of a WeightPlan, packed in memory, or ready from an arena; or, once a model, from the
// files into an arena. Lives while a model is loaded; what is loaded stays valid without it.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "executor/weights/arena.h"
#include "executor/weights/weight_files.h"
#include "kernels/product/product.h"

namespace switchyard::executor {

/// A matrix row after row: bf16, fp32, or in GGUF's blocks.
struct RowTable {
  std::shared_ptr<const std::byte> data;  // [num_rows][num_columns]
  StoredType type = StoredType::kF32;
};

/// The matrix of each head, from a tensor with `head_rows` rows a head: its rows [first_row, first_row + num_rows), or those transposed.
struct HeadRows {
  std::string tensor;
  std::vector<int64_t> shape;
  int num_heads;
  int head_rows;
  int first_row;
  int num_rows;
  bool is_transposed;
  bool are_for_latents =
      false;  // beside the same rows for absorbed attention, and in INT8 where products with latents take it
};

/// How far a pack is, for other threads, and their word to stop it.
struct PackProgress {
  std::atomic<uint64_t> total_bytes = 0;  // of tensors
  std::atomic<uint64_t> done_bytes = 0;
  std::atomic<bool> is_cancelled = false;
};

class WeightStore {
 public:
  /// Loads are packed from the files of the plan. Errors of WeightFiles::open.
  Status open(const WeightPlan& plan, WeightPolicy policy = WeightPolicy::kFp32);

  /// Loads are views of the arena, which was packed under a policy.
  void open(std::shared_ptr<const Arena> arena) { arena_ = std::move(arena); }

  /// Loads go from the files into an arena: matrices and tables come back empty. Both must outlive this; CLOSED once cancelled.
  void pack_into(ArenaWriter* writer, PackProgress* progress);

  /// A vector [size] widened to fp32. This and the others: INVALID_ARGUMENT naming a tensor that is missing or has another shape.
  Status load_vector(const std::string& name, int size, std::vector<float>* values) const;

  /// A matrix [num_rows, num_columns] for looking up rows. bf16 and blocks stay as they are, all else becomes fp32.
  Status load_table(const std::string& name, int num_rows, int num_columns, RowTable* table) const;

  /// A matrix [num_rows, num_columns], packed. bf16 stays bf16, all else becomes fp32, here and below, but for what the policy keeps:
  /// blocks in block-a8; in w8a8, this and load_stacked, int8; INVALID_ARGUMENT naming one with more than kInt8ColumnsMax columns or with
  /// scales by blocks of columns.
  Status load_matrix(const std::string& name, int num_rows, int num_columns, PackedMatrix* matrix) const;

  /// Two matrices of one input, [rows, num_columns] each, stacked to [2 * rows, num_columns] (gate and up); INT8 or of a block type
  /// where both are.
  Status load_stacked(const std::string& first, const std::string& second, int rows, int num_columns,
                      PackedMatrix* matrix) const;

  /// INT8 only for latents: of the others half are transposed, so that columns would have the scales, and both halves are treated alike.
  /// Transposed ones are neither INT8 nor of a block type.
  Status load_heads(const HeadRows& rows, std::vector<PackedMatrix>* heads) const;

 private:
  using Pack = std::function<Status(std::vector<PackedMatrix>*)>;

  /// `count` matrices of one size: those of the arena, or what `pack` makes from the files.
  Status load_packed(const std::string& name, int count, int num_rows, int num_columns, const Pack& pack,
                     std::vector<PackedMatrix>* matrices) const;
  Status load_one(const std::string& name, int num_rows, int num_columns, const Pack& pack, PackedMatrix* matrix) const;
  Status find(const std::string& name, const std::vector<int64_t>& shape, const StoredTensor** tensor) const;
  /// The type that a tensor is packed as.
  Status choose_type(const std::string& name, const StoredTensor& tensor, PackedType* type) const;
  Status choose_type_of_heads(const HeadRows& of, const StoredTensor& tensor, PackedType* type) const;
  /// Counts the tensor as read, where loads go into an arena.
  void finish(const StoredTensor& tensor) const;

  WeightFiles files_;
  WeightPolicy policy_ = WeightPolicy::kFp32;
  std::shared_ptr<const Arena> arena_;
  ArenaWriter* writer_ = nullptr;
  PackProgress* progress_ = nullptr;
};

}  // namespace switchyard::executor
