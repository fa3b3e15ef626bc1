#include "xccl/copy/copy_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/find_by_name.h"

namespace switchyard::xccl {
namespace {

constexpr uint64_t kBytesMax = 8 << 20;
/// A pair of buffers each way, as two ranks that send to each other have.
constexpr uint64_t kNumPairs = 2;
constexpr size_t kNumRounds = 5;
/// Streaming must win clearly: where it does not, the caches serve whoever reads next.
constexpr double kClearly = 0.9;

double time_copies(std::byte* memory, uint64_t num_bytes, CopyPath path) {
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t pair = 0; pair < kNumPairs; ++pair) {
    std::byte* from = memory + pair * 2 * kBytesMax;
    copy_bytes(from + kBytesMax, from, num_bytes, path);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What copies take that follow others by the same path, so that each path finds the caches as it leaves them.
double median_time(std::byte* memory, uint64_t num_bytes, CopyPath path) {
  time_copies(memory, num_bytes, path);
  std::array<double, kNumRounds> samples;
  for (double& sample : samples) sample = time_copies(memory, num_bytes, path);
  std::nth_element(samples.begin(), samples.begin() + kNumRounds / 2, samples.end());
  return samples[kNumRounds / 2];
}

bool does_stream_win(std::byte* memory, uint64_t num_bytes) {
  const double cached = median_time(memory, num_bytes, CopyPath::kCached);
  return median_time(memory, num_bytes, CopyPath::kStream) < kClearly * cached;
}

CopyTable measure() {
  constexpr uint64_t kMemoryBytes = kNumPairs * 2 * kBytesMax;
  // Small pages, as segments have.
  void* memory = mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CopyTable table;
  if (memory == MAP_FAILED) return table;
  for (uint64_t num_bytes = kStreamBytesMin; num_bytes <= kBytesMax; num_bytes *= 2) {
    if (!does_stream_win(static_cast<std::byte*>(memory), num_bytes)) continue;
    table.stream_min = num_bytes;
    break;
  }
  munmap(memory, kMemoryBytes);
  return table;
}

struct ModeRow {
  const char* name;
  CopyMode mode;
};

constexpr ModeRow kModes[] = {{"auto", CopyMode::kAuto}, {"cached", CopyMode::kCached}, {"stream", CopyMode::kStream}};

}  // namespace

const CopyTable& CopyTable::measured() {
  static const CopyTable table = measure();
  return table;
}

CopyPath copy_path_of(CopyMode mode, uint64_t num_bytes) {
  if (mode == CopyMode::kStream) return CopyPath::kStream;
  if (mode == CopyMode::kCached || num_bytes < kStreamBytesMin) return CopyPath::kCached;
  return CopyTable::measured().path_of(num_bytes);
}

Status copy_mode_from_name(std::string_view name, CopyMode* out) {
  const ModeRow* row = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(find_by_name(kModes, "copy path", name, &row));
  *out = row->mode;
  return {};
}

}  // namespace switchyard::xccl
