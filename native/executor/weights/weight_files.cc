#include "executor/weights/weight_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

/// Both positive.
int64_t blocks_in(int64_t dimension, int64_t block) { return (dimension - 1) / block + 1; }

/// Rows first_row.. of a matrix, `values` [rows, num_columns], each number times the scale of its block of block[0] x block[1]; scales are
/// [row blocks, column blocks].
void multiply_blocks(const std::vector<float>& scales, const std::vector<int64_t>& block, int64_t first_row,
                     int64_t num_columns, std::vector<float>* values) {
  const int64_t num_rows = static_cast<int64_t>(values->size()) / num_columns;
  float* row = values->data();
  for (int64_t i = first_row; i < first_row + num_rows; ++i, row += num_columns) {
    const float* scale = &scales[i / block[0] * blocks_in(num_columns, block[1])];
    for (int64_t start = 0; start < num_columns; ++scale) {
      const int64_t end = start + std::min(block[1], num_columns - start);
      for (int64_t column = start; column < end; ++column) row[column] *= *scale;
      start = end;
    }
  }
}

}  // namespace

WeightFiles::~WeightFiles() {
  for (const auto& [path, file] : files_) munmap(const_cast<std::byte*>(file.data), file.bytes);
}

Status WeightFiles::map_file(const std::string& path, File* file) {
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

/// Checks that the tensor lies in its file and its bytes are those of its shape.
Status WeightFiles::locate(const WeightTensor& tensor, StoredTensor* found) {
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
  const StoredLayout layout = stored_layout(tensor.dtype);
  const uint64_t row_elements = tensor.shape.empty() ? 1 : tensor.shape.back();
  const bool has_whole_blocks = row_elements % layout.block_elements == 0;
  if (!has_whole_blocks || count / layout.block_elements * layout.block_bytes != tensor.bytes) {
    return {Code::kCorrupt, what + " has " + std::to_string(tensor.bytes) + " bytes, which its shape " +
                                shape_text(tensor.shape) + " does not give"};
  }
  if (tensor.offset > file.bytes || tensor.bytes > file.bytes - tensor.offset) {
    return {Code::kCorrupt, what + " ends beyond the file (truncated?)"};
  }
  const uint64_t alignment = is_plain(tensor.dtype) ? layout.block_bytes : 1;
  if (tensor.offset % alignment != 0) return {Code::kCorrupt, what + " is not aligned to its elements"};
  *found = {file.data + tensor.offset, tensor.bytes, tensor.dtype, tensor.shape, {}, {}};
  return {};
}

Status WeightFiles::read_scales(const WeightTensor& tensor, StoredTensor* found) {
  const std::string what = "tensor " + tensor.name + " of " + tensor.file;
  const std::vector<int64_t>& block = tensor.scale_block;
  const bool has_block = block.size() == 2 && block[0] > 0 && block[1] > 0;
  if (!tensor.scales || !is_plain(tensor.scales->dtype) || tensor.shape.size() != 2 || !has_block)
    return {Code::kCorrupt, what + " is 8-bit and no matrix with scales of plain floats"};
  const std::vector<int64_t> expected = {blocks_in(tensor.shape[0], block[0]), blocks_in(tensor.shape[1], block[1])};
  if (tensor.scales->shape != expected) {
    return {Code::kCorrupt,
            what + " has scales of shape " + shape_text(tensor.scales->shape) + ", it needs " + shape_text(expected)};
  }
  StoredTensor scales;
  SWITCHYARD_RETURN_IF_ERROR(locate(*tensor.scales, &scales));
  found->scales.resize(expected[0] * expected[1]);
  widen_stored(scales.type, scales.data, found->scales.size(), found->scales.data());
  found->scale_block = block;
  return {};
}

Status WeightFiles::open(const WeightPlan& plan) {
  for (const WeightTensor& tensor : plan.tensors) {
    StoredTensor found;
    SWITCHYARD_RETURN_IF_ERROR(locate(tensor, &found));
    if (has_scales(tensor.dtype)) SWITCHYARD_RETURN_IF_ERROR(read_scales(tensor, &found));
    tensors_[tensor.name] = std::move(found);
  }
  return {};
}

Status WeightFiles::find(const std::string& name, const std::vector<int64_t>& shape,
                         const StoredTensor** tensor) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return {Code::kInvalidArgument, "the weights have no tensor " + name};
  if (found->second.shape != shape) {
    return {Code::kInvalidArgument, "tensor " + name + " has shape " + shape_text(found->second.shape) +
                                        ", the model's configuration needs " + shape_text(shape)};
  }
  *tensor = &found->second;
  return {};
}

uint64_t WeightFiles::num_bytes() const {
  uint64_t sum = 0;
  for (const auto& [name, tensor] : tensors_) sum += tensor.bytes;
  return sum;
}

Dtype StoredTensor::dtype() const {
  return type == StoredType::kBf16 ? Dtype::kBf16 : type == StoredType::kF16 ? Dtype::kF16 : Dtype::kF32;
}

const void* StoredTensor::rows(uint64_t first, uint64_t count, std::vector<float>* scratch) const {
  const std::byte* from = data + bytes_of_rows(first);
  if (is_plain(type)) return from;
  scratch->resize(count * row_elements());
  widen_stored(type, from, scratch->size(), scratch->data());
  if (!scales.empty()) multiply_blocks(scales, scale_block, static_cast<int64_t>(first), shape.back(), scratch);
  return scratch->data();
}

void StoredTensor::release_rows(uint64_t first, uint64_t count) const {
  const auto page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t from = (reinterpret_cast<uintptr_t>(data) + bytes_of_rows(first)) / page_bytes * page_bytes;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data) + bytes_of_rows(first + count);
  (void)madvise(reinterpret_cast<void*>(from), end - from, MADV_DONTNEED);  // advice: nothing is lost without
}

uint64_t StoredTensor::bytes_of_rows(uint64_t count) const {
  const StoredLayout layout = stored_layout(type);
  return count * row_elements() / layout.block_elements * layout.block_bytes;
}

bool StoredTensor::is_int8_by_rows() const { return type == StoredType::kI8 && scale_block[1] >= shape[1]; }

std::vector<float> StoredTensor::row_scales() const {
  std::vector<float> of_rows(shape[0]);
  for (int64_t row = 0; row < shape[0]; ++row) of_rows[row] = scales[row / scale_block[0]];
  return of_rows;
}

}  // namespace switchyard::executor
