// Both copy paths over sizes and alignments, the copy threads, and the choice between the paths.
#include <thread>

#include "xccl/copy/copy_pool.h"
#include "xccl/copy/copy_table.h"
#include "xccl/test_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

using Bytes = std::vector<std::byte>;

Bytes random_bytes(Random& random, size_t num_bytes) {
  Bytes bytes(num_bytes);
  for (std::byte& value : bytes) value = static_cast<std::byte>(random.next());
  return bytes;
}

/// Copies [from_at, from_at + n) to to_at and compares everything, the bytes around it too.
template <class Copy>
void check_copy(const Bytes& from, size_t from_at, size_t to_at, size_t num_bytes, Copy&& copy) {
  Bytes to(to_at + num_bytes + 200, std::byte{0xa5});
  copy(to.data() + to_at, from.data() + from_at, num_bytes);
  Bytes expected(to.size(), std::byte{0xa5});
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(from_at), num_bytes,
              expected.begin() + static_cast<std::ptrdiff_t>(to_at));
  CHECK(to == expected);
}

TEST(xccl_copy_paths_copy_every_size_and_alignment) {
  Random random(test::seed());
  const Bytes from = random_bytes(random, 20'000);
  for (const Isa isa : available_isas()) {
    for (size_t size : {0, 1, 31, 63, 64, 65, 127, 128, 129, 191, 192, 256, 4096}) {
      for (int i = 0; i < 20; ++i) check_copy(from, random.below(100), random.below(130), size, stream_copy_of(isa));
    }
    for (int i = 0; i < 100; ++i)
      check_copy(from, random.below(100), random.below(130), random.below(19'000), stream_copy_of(isa));
  }
  for (const CopyPath path : {CopyPath::kCached, CopyPath::kStream}) {
    const auto copy = [path](std::byte* dst, const std::byte* src, size_t n) { copy_bytes(dst, src, n, path); };
    check_copy(from, 3, 5, 0, copy);
    check_copy(from, 3, 5, 10'001, copy);
  }
}

void run_pool(uint32_t num_threads) {
  Random random(test::seed());
  const Bytes from = random_bytes(random, kSharedCopyBytesMin + 12'345);
  CopyPool pool(num_threads);
  const auto copy = [&](std::byte* dst, const std::byte* src, size_t n) { pool.copy(dst, src, n, CopyPath::kStream); };
  for (int i = 0; i < 4; ++i) check_copy(from, random.below(100), random.below(100), from.size() - 100, copy);
  check_copy(from, 1, 2, 1000, copy);
  // Two callers at once: one of them copies alone.
  std::thread other([&] {
    for (int i = 0; i < 4; ++i) check_copy(from, 7, 9, from.size() - 100, copy);
  });
  for (int i = 0; i < 4; ++i) check_copy(from, 0, 64, from.size() - 100, copy);
  other.join();
  pool.stop();
  check_copy(from, 5, 6, from.size() - 100, copy);
  pool.stop();
}

TEST(xccl_copy_threads_share_a_large_copy) {
  run_pool(1);
  run_pool(2);
  run_pool(5);
}

TEST(xccl_copy_table_is_measured_once_and_modes_force_a_path) {
  const CopyTable& table = CopyTable::measured();
  CHECK(&table == &CopyTable::measured() && table.stream_min >= kStreamBytesMin);
  CHECK(table.path_of(kStreamBytesMin - 1) == CopyPath::kCached);
  if (table.stream_min != UINT64_MAX) CHECK(table.path_of(table.stream_min) == CopyPath::kStream);
  CHECK(copy_path_of(CopyMode::kAuto, 5000) == CopyPath::kCached);
  CHECK(copy_path_of(CopyMode::kAuto, 64 << 20) == table.path_of(64 << 20));
  CHECK(copy_path_of(CopyMode::kStream, 1) == CopyPath::kStream);
  CHECK(copy_path_of(CopyMode::kCached, 1 << 30) == CopyPath::kCached);
  CopyMode mode{};
  CHECK(copy_mode_from_name("stream", &mode).ok() && mode == CopyMode::kStream);
  const Status unknown = copy_mode_from_name("dma", &mode);
  CHECK(is_code(unknown, Code::kInvalidArgument));
  CHECK(unknown.message().find("auto, cached, stream") != std::string::npos);
}

}  // namespace
