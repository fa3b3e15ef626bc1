// Weight plans with anything in offsets, sizes, shapes and types over a small file: opened or refused, and what is opened is read and widened
// to its last row.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "executor/weights/weight_files.h"
#include "test/fuzz_input.h"

namespace {

using namespace switchyard;
using namespace switchyard::executor;

constexpr size_t kFileBytes = 1 << 14;
constexpr uint8_t kNumTypes = static_cast<uint8_t>(StoredType::kQ6_K) + 1;

int make_file() {
  const int fd = memfd_create("switchyard-fuzz-weights", MFD_CLOEXEC);
  std::vector<uint8_t> bytes(kFileBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  FUZZ_CHECK(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

/// Mostly small, sometimes anything.
int64_t take_size(switchyard::fuzz::Input& input) {
  const auto kind = input.take<uint8_t>();
  return kind < 250 ? kind * (kind % 2 == 0 ? 32 : 1) : input.take<int64_t>();
}

WeightTensor take_tensor(switchyard::fuzz::Input& input, const std::string& file) {
  WeightTensor tensor;
  tensor.name = "w";
  tensor.file = file;
  tensor.dtype = static_cast<StoredType>(input.take<uint8_t>() % kNumTypes);
  const int num_dimensions = input.take<uint8_t>() % 4;
  uint64_t count = 1;
  for (int i = 0; i < num_dimensions; ++i) count *= static_cast<uint64_t>(tensor.shape.emplace_back(take_size(input)));
  const StoredLayout layout = stored_layout(tensor.dtype);
  tensor.offset = static_cast<uint64_t>(take_size(input));
  const bool has_right_size = input.take<uint8_t>() < 240;
  tensor.bytes = has_right_size ? count / layout.block_elements * layout.block_bytes : input.take<uint64_t>();
  return tensor;
}

/// All rows, some at a time.
void read_rows(const StoredTensor& tensor) {
  uint64_t num_elements = 1;
  for (const int64_t dimension : tensor.shape) num_elements *= static_cast<uint64_t>(dimension);
  const uint64_t num_rows = num_elements / tensor.row_elements();
  std::vector<float> scratch;
  volatile std::byte seen{};
  for (uint64_t row = 0; row < num_rows; row += 3) {
    const uint64_t count = std::min<uint64_t>(3, num_rows - row);
    const auto* bytes = static_cast<const std::byte*>(tensor.rows(row, count, &scratch));
    const uint64_t num_bytes = count * tensor.row_elements() * dtype_bytes(tensor.dtype());
    for (uint64_t i = 0; i < num_bytes; ++i) seen = bytes[i];
    tensor.release_rows(row, count);
  }
  (void)seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = make_file();
  const std::string file = "/proc/self/fd/" + std::to_string(fd);
  switchyard::fuzz::Input input(data, size);
  WeightTensor tensor = take_tensor(input, file);
  if (input.take<uint8_t>() % 2 == 0) {
    tensor.scales = std::make_shared<WeightTensor>(take_tensor(input, file));
    tensor.scale_block = {take_size(input), take_size(input)};
  }
  WeightFiles files;
  const Status status = files.open({"", {tensor}});
  if (!status.ok()) {
    FUZZ_CHECK(status.code() == Code::kCorrupt);
    return 0;
  }
  const StoredTensor* found;
  FUZZ_CHECK(files.find("w", tensor.shape, &found).ok());
  read_rows(*found);
  return 0;
}
