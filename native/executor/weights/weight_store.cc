#include "executor/weights/weight_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace switchyard::executor {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Elements of a shape; false when a dimension is not positive or the product leaves 48 bits.
bool count_elements(const std::vector<int64_t>& shape, uint64_t* count) {
  constexpr uint64_t kMost = uint64_t{1} << 48;
  *count = 1;
  for (const int64_t dimension : shape) {
    if (dimension <= 0 || static_cast<uint64_t>(dimension) > kMost / *count) return false;
    *count *= static_cast<uint64_t>(dimension);
  }
  return true;
}

float widen(const TensorView& view, size_t i) {
  switch (view.dtype) {
    case Dtype::kBf16:
      return bf16_to_float(static_cast<const uint16_t*>(view.data)[i]);
    case Dtype::kF16:
      return fp16_to_float(static_cast<const uint16_t*>(view.data)[i]);
    case Dtype::kF32:
      return static_cast<const float*>(view.data)[i];
  }
  return 0.0f;
}

}  // namespace

WeightStore::~WeightStore() {
  for (const auto& [path, file] : files_) munmap(const_cast<std::byte*>(file.data), file.bytes);
}

Status WeightStore::map_file(const std::string& path, File* file) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {Code::kIo, "cannot open weight file " + path + ": " + std::strerror(errno)};
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size <= 0) {
    close(fd);
    return {Code::kIo, "weight file " + path + " is empty or cannot be read"};
  }
  void* data = mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED) return {Code::kIo, "cannot map weight file " + path + ": " + std::strerror(error)};
  *file = {static_cast<const std::byte*>(data), static_cast<uint64_t>(info.st_size)};
  files_[path] = *file;
  return {};
}

Status WeightStore::add_tensor(const WeightTensor& tensor) {
  const auto known = files_.find(tensor.file);
  File file;
  if (known != files_.end()) {
    file = known->second;
  } else {
    SWITCHYARD_RETURN_IF_ERROR(map_file(tensor.file, &file));
  }
  const std::string what = "tensor " + tensor.name + " of " + tensor.file;
  uint64_t count;
  if (!count_elements(tensor.shape, &count))
    return {Code::kCorrupt, what + " has an impossible shape " + shape_text(tensor.shape)};
  if (count * dtype_bytes(tensor.dtype) != tensor.bytes) {
    return {Code::kCorrupt, what + " has " + std::to_string(tensor.bytes) + " bytes, which its shape " +
                                shape_text(tensor.shape) + " does not give"};
  }
  if (tensor.offset > file.bytes || tensor.bytes > file.bytes - tensor.offset) {
    return {Code::kCorrupt, what + " ends beyond the file (truncated?)"};
  }
  if (tensor.offset % dtype_bytes(tensor.dtype) != 0) return {Code::kCorrupt, what + " is not aligned to its elements"};
  tensors_[tensor.name] = {file.data + tensor.offset, tensor.dtype, tensor.shape};
  return {};
}

Status WeightStore::open(const WeightPlan& plan) {
  for (const WeightTensor& tensor : plan.tensors) SWITCHYARD_RETURN_IF_ERROR(add_tensor(tensor));
  return {};
}

Status WeightStore::find(const std::string& name, std::initializer_list<int64_t> shape, TensorView* view) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return {Code::kInvalidArgument, "the weights have no tensor " + name};
  const std::vector<int64_t> expected(shape);
  if (found->second.shape != expected) {
    return {Code::kInvalidArgument, "tensor " + name + " has shape " + shape_text(found->second.shape) +
                                        ", the model's configuration needs " + shape_text(expected)};
  }
  *view = found->second;
  return {};
}

Status WeightStore::load_vector(const std::string& name, int size, std::vector<float>* values) const {
  TensorView view;
  SWITCHYARD_RETURN_IF_ERROR(find(name, {size}, &view));
  values->resize(size);
  for (int i = 0; i < size; ++i) (*values)[i] = widen(view, i);
  return {};
}

Status WeightStore::load_matrix(const std::string& name, int num_rows, int num_columns, PackedMatrix* matrix) const {
  TensorView view;
  SWITCHYARD_RETURN_IF_ERROR(find(name, {num_rows, num_columns}, &view));
  *matrix = PackedMatrix(num_rows, num_columns, view.dtype == Dtype::kBf16);
  matrix->set_rows(0, num_rows, view.data, view.dtype, num_columns, 1);
  return {};
}

Status WeightStore::load_stacked(const std::string& first, const std::string& second, int rows, int num_columns,
                                 PackedMatrix* matrix) const {
  TensorView a;
  TensorView b;
  SWITCHYARD_RETURN_IF_ERROR(find(first, {rows, num_columns}, &a));
  SWITCHYARD_RETURN_IF_ERROR(find(second, {rows, num_columns}, &b));
  *matrix = PackedMatrix(2 * rows, num_columns, a.dtype == Dtype::kBf16 && b.dtype == Dtype::kBf16);
  matrix->set_rows(0, rows, a.data, a.dtype, num_columns, 1);
  matrix->set_rows(rows, rows, b.data, b.dtype, num_columns, 1);
  return {};
}

}  // namespace switchyard::executor
