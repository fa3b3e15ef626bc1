// Tensors of a WeightPlan, read through read-only maps of their files. Every offset is checked against the file's size when they are
// opened. Used by the weight store while a model is loaded or packed, so that a file changed later harms nobody.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "executor/model_spec.h"
#include "executor/weights/stored_type.h"

namespace switchyard::executor {

struct StoredTensor {
  const std::byte* data = nullptr;
  uint64_t bytes = 0;
  StoredType type = StoredType::kBf16;
  std::vector<int64_t> shape;
  std::vector<float> scales;         // of fp8 and int8
  std::vector<int64_t> scale_block;  // rows and columns that share one

  /// Of rows().
  Dtype dtype() const;

  /// Elements of the last dimension.
  uint64_t row_elements() const { return shape.empty() ? 1 : static_cast<uint64_t>(shape.back()); }

  /// Rows [first, first + count): plain floats of the file, other types widened into `scratch`.
  const void* rows(uint64_t first, uint64_t count, std::vector<float>* scratch) const;

  /// Lets go of the memory that reading these rows has mapped; they may be read again.
  void release_rows(uint64_t first, uint64_t count) const;

  uint64_t bytes_of_rows(uint64_t count) const;

  /// True for an int8 matrix whose scales are shared by nothing less than a row.
  bool is_int8_by_rows() const;
  /// Of such a matrix: the scale of each row.
  std::vector<float> row_scales() const;
};

class WeightFiles {
 public:
  WeightFiles() = default;
  ~WeightFiles();
  WeightFiles(const WeightFiles&) = delete;
  WeightFiles& operator=(const WeightFiles&) = delete;

  /// IO when a file cannot be read, CORRUPT when a tensor does not lie inside its file or its bytes do not match its shape.
  Status open(const WeightPlan& plan);

  /// INVALID_ARGUMENT naming the tensor when it is missing or has another shape.
  Status find(const std::string& name, const std::vector<int64_t>& shape, const StoredTensor** tensor) const;

  /// Of all tensors.
  uint64_t num_bytes() const;

 private:
  struct File {
    const std::byte* data = nullptr;
    uint64_t bytes = 0;
  };

  Status map_file(const std::string& path, File* file);
  Status locate(const WeightTensor& tensor, StoredTensor* found);
  Status read_scales(const WeightTensor& tensor, StoredTensor* found);

  std::map<std::string, File> files_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace switchyard::executor
