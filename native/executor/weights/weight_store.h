// Tensors of a WeightPlan, read through read-only maps of their files. Every offset is checked against the file's size when the store opens.
// Lives only while a model is loaded: blocks copy (pack) what they need, so that a file changed later harms nobody.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "executor/model_spec.h"
#include "executor/weights/stored_type.h"
#include "kernels/product/product.h"

namespace switchyard::executor {

/// Plain floats of the file, or (types that are not plain) widened for this view, which owns them.
struct TensorView {
  const void* data = nullptr;
  Dtype dtype = Dtype::kBf16;
  std::vector<int64_t> shape;
  std::shared_ptr<const std::vector<float>> widened = nullptr;
};

class WeightStore {
 public:
  WeightStore() = default;
  ~WeightStore();
  WeightStore(const WeightStore&) = delete;
  WeightStore& operator=(const WeightStore&) = delete;

  /// IO when a file cannot be read, CORRUPT when a tensor does not lie inside its file or its bytes do not match its shape.
  Status open(const WeightPlan& plan);

  /// INVALID_ARGUMENT naming the tensor when it is missing or has another shape. Widens a whole tensor that is not plain.
  Status find(const std::string& name, std::initializer_list<int64_t> shape, TensorView* view) const;

  /// A vector [size] widened to fp32.
  Status load_vector(const std::string& name, int size, std::vector<float>* values) const;

  /// A matrix [num_rows, num_columns], packed. bf16 stays bf16, all else becomes fp32.
  Status load_matrix(const std::string& name, int num_rows, int num_columns, PackedMatrix* matrix) const;

  /// Two matrices of one input, [rows, num_columns] each, stacked to [2 * rows, num_columns] (gate and up).
  Status load_stacked(const std::string& first, const std::string& second, int rows, int num_columns,
                      PackedMatrix* matrix) const;

 private:
  struct File {
    const std::byte* data = nullptr;
    uint64_t bytes = 0;
  };

  struct StoredTensor {
    const std::byte* data = nullptr;
    StoredType type = StoredType::kBf16;
    std::vector<int64_t> shape;
    std::vector<float> scales;  // of fp8
  };

  Status map_file(const std::string& path, File* file);
  Status locate(const WeightTensor& tensor, StoredTensor* found);
  Status read_scales(const WeightTensor& tensor, StoredTensor* found);

  std::map<std::string, File> files_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace switchyard::executor
