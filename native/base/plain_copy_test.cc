// plain_copy: every variant moves exactly the bytes that it is told to, wherever they lie.
#include "base/plain_copy.h"

#include <vector>

#include "test/test.h"

namespace switchyard {
namespace {

constexpr size_t kMargin = 200;

uint8_t value_at(size_t i) { return static_cast<uint8_t>(i * 131 + (i >> 8)); }

/// Copies to `to` from `from` inside larger buffers and looks at everything around.
template <class Copy>
bool copies_exactly(Copy&& copy, size_t num_bytes, size_t to, size_t from) {
  std::vector<uint8_t> source(num_bytes + 2 * kMargin);
  for (size_t i = 0; i < source.size(); ++i) source[i] = value_at(i);
  std::vector<uint8_t> target(source.size(), 0xee);
  copy(target.data() + to, source.data() + from, num_bytes);
  for (size_t i = 0; i < target.size(); ++i) {
    const bool is_inside = i >= to && i < to + num_bytes;
    if (target[i] == (is_inside ? value_at(i - to + from) : 0xee)) continue;
    std::printf("%zu bytes from %zu to %zu: wrong at %zu\n", num_bytes, from, to, i);
    return false;
  }
  return true;
}

}  // namespace

TEST(plain_copy_variants_move_exactly_what_they_should) {
  for (const Isa isa : available_isas()) {
    const LongCopy copy = vector_copy_of(isa);
    for (size_t to = 0; to <= 65; ++to) CHECK(copies_exactly(copy, kPlainCopyLongMin + to, to, 65 - to));
    for (const size_t extra : {0, 1, 31, 32, 33, 127, 128, 129, 2047, 10'000})
      CHECK(copies_exactly(copy, kPlainCopyLongMin + extra, 16, 0));
  }
}

TEST(plain_copy_by_string_moves_exactly_what_it_should) {
  for (size_t to = 0; to <= 65; ++to) CHECK(copies_exactly(string_copy, kPlainCopyLongMin + to, to, 65 - to));
  for (const size_t num_bytes : {0, 1, 63, 64, 10'000}) CHECK(copies_exactly(string_copy, num_bytes, 16, 0));
}

TEST(plain_copy_of_any_size) {
  for (size_t num_bytes = 0; num_bytes < 300; ++num_bytes) CHECK(copies_exactly(plain_copy, num_bytes, 7, 3));
  for (const size_t num_bytes : {2047, 2048, 2049, 4095, 4096, 4097, 70'001})
    CHECK(copies_exactly(plain_copy, num_bytes, 7, 3));
  plain_copy(nullptr, nullptr, 0);
}

}  // namespace switchyard
