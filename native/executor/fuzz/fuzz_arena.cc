// Arenas with anything in header, index and length: opened or refused, and what is opened can be read to its last byte.
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "executor/weights/arena.h"
#include "test/fuzz_input.h"

namespace {

using namespace switchyard;
using namespace switchyard::executor;

const std::string kKey = "a key";
constexpr uint32_t kNumPatchesMax = 16;

/// A whole arena with entries of all forms and types, as a file has it.
std::vector<char> whole_arena() {
  char folder[] = "/tmp/switchyard-fuzz-arena-XXXXXX";
  FUZZ_CHECK(mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/arena";
  {
    ArenaWriter writer;
    const std::vector<float> values(16 * 3, 1.5f);
    const std::vector<std::byte> blocks(packed_bytes(2, 32, PackedType::kQ8_0));
    FUZZ_CHECK(writer.open(path).ok());
    FUZZ_CHECK(writer.add("a", {ArenaForm::kRows, PackedType::kF32, 1, 2, 3}, {values.data()}).ok());
    FUZZ_CHECK(writer.add("b", {ArenaForm::kPacked, PackedType::kBf16, 2, 5, 3}, {values.data(), values.data()}).ok());
    FUZZ_CHECK(writer.add("i", {ArenaForm::kPacked, PackedType::kInt8, 1, 2, 3}, {values.data()}).ok());
    FUZZ_CHECK(writer.add("q", {ArenaForm::kPacked, PackedType::kQ4_1, 1, 2, 32}, {blocks.data()}).ok());
    FUZZ_CHECK(writer.add("r", {ArenaForm::kRows, PackedType::kQ8_0, 1, 2, 32}, {blocks.data()}).ok());
    FUZZ_CHECK(writer.finish(kKey).ok());
  }
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove_all(folder);
  return bytes;
}

/// Reads every byte; AddressSanitizer and the map's end do the rest.
void touch(const ArenaEntry& entry) {
  volatile std::byte seen{};
  for (uint64_t i = 0; i < entry.shape.num_bytes(); ++i) seen = entry.data.get()[i];
  (void)seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<char> whole = whole_arena();
  static const int fd = memfd_create("switchyard-fuzz-arena", MFD_CLOEXEC);
  switchyard::fuzz::Input input(data, size);
  std::vector<char> bytes = whole;
  if (input.take<uint8_t>() % 4 == 0) bytes.resize(input.take<uint16_t>() % (whole.size() + 64));
  for (uint32_t i = 0; i < kNumPatchesMax && !input.is_empty() && bytes.size() >= sizeof(uint64_t); ++i) {
    // Positions near the end are the index.
    const size_t at = input.take<uint16_t>() % (bytes.size() - sizeof(uint64_t) + 1);
    uint64_t value;
    std::memcpy(&value, &bytes[at], sizeof(value));
    value ^= input.take<uint64_t>();
    std::memcpy(&bytes[at], &value, sizeof(value));
  }
  FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::shared_ptr<const Arena> arena;
  const Status status = Arena::open("/proc/self/fd/" + std::to_string(fd), kKey, &arena);
  if (!status.ok()) {
    FUZZ_CHECK(status.code() == Code::kCorrupt || status.code() == Code::kMismatch);
    return 0;
  }
  ArenaEntry entry;
  for (const auto& [name, form, count, rows, columns] :
       {std::tuple{"a", ArenaForm::kRows, 1u, 2, 3}, std::tuple{"b", ArenaForm::kPacked, 2u, 5, 3},
        std::tuple{"i", ArenaForm::kPacked, 1u, 2, 3}, std::tuple{"q", ArenaForm::kPacked, 1u, 2, 32},
        std::tuple{"r", ArenaForm::kRows, 1u, 2, 32}}) {
    const Status found = arena->find(name, form, count, rows, columns, &entry);
    FUZZ_CHECK(found.ok() || found.code() == Code::kCorrupt);
    if (found.ok()) touch(entry);
  }
  return 0;
}
