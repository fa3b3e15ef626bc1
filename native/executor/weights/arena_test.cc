// An arena gives the bits of the files, in whole or damaged; what is damaged ends in a specific error.
#include "executor/weights/arena.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "executor/model/evaluate.h"
#include "executor/model/pack_model.h"
#include "executor/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

const std::string kKey = "a key";

class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/switchyard-arena-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  std::string file(const char* name) const { return path_ + "/" + name; }
  size_t num_files() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::string path_;
};

std::vector<char> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<float> logits_of(const ModelSpec& spec, const WeightStore& store, int chunk_tokens = 3) {
  const std::vector<int32_t> tokens = {5, 17, 99, 3, 3, 80, 41};
  Evaluation evaluation;
  const Status status = evaluate(spec, store, tokens, chunk_tokens, false, 1, &evaluation);
  if (!status.ok()) std::printf("%s\n", status.message().c_str());
  CHECK(status.ok());
  return evaluation.logits;
}

/// A small arena of entries of both forms, and its bytes.
std::vector<char> small_arena(const std::string& path) {
  ArenaWriter writer;
  CHECK(writer.open(path).ok());
  const std::vector<float> values(16 * 3, 1.5f);
  CHECK(writer.add("a", {ArenaForm::kRows, PackedType::kF32, 1, 2, 3}, {values.data()}).ok());
  CHECK(writer.add("b", {ArenaForm::kPacked, PackedType::kBf16, 2, 5, 3}, {values.data(), values.data()}).ok());
  CHECK(writer.add("i", {ArenaForm::kPacked, PackedType::kInt8, 1, 2, 3}, {values.data()}).ok());
  CHECK(writer.finish(kKey).ok());
  return read_file(path);
}

}  // namespace

TEST(an_arena_gives_the_bits_of_the_files) {
  const ModelSpec specs[] = {small_spec(), small_gqa_spec(), small_dense_spec(), in_mla_split(small_spec())};
  for (int i = 0; i < 8; ++i) {
    const ModelSpec spec = i < 4 ? specs[i] : in_w8a8(specs[i - 4]);
    const TestFolder folder;
    const TestWeights weights(spec);
    PackProgress progress;
    const Status packed = pack_model(spec, weights.plan(), folder.file("a"), kKey, &progress);
    if (!packed.ok()) std::printf("%s\n", packed.message().c_str());
    REQUIRE(packed.ok());
    CHECK(progress.total_bytes > 0 && progress.done_bytes == progress.total_bytes);
    std::shared_ptr<const Arena> arena;
    REQUIRE(Arena::open(folder.file("a"), kKey, &arena).ok());
    WeightStore from_files;
    WeightStore from_arena;
    REQUIRE(from_files.open(weights.plan(), weights.policy()).ok());
    from_arena.open(arena);
    arena.reset();
    CHECK(logits_of(spec, from_files) == logits_of(spec, from_arena));
    CHECK(folder.num_files() == 1);
    struct stat info;
    REQUIRE(stat(folder.file("a").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0444);
  }
}

TEST(an_arena_holds_rows_and_matrices_in_whole_blocks_only) {
  const TestFolder folder;
  ArenaWriter writer;
  REQUIRE(writer.open(folder.file("a")).ok());
  const std::vector<std::byte> bytes(packed_bytes(16, 64, PackedType::kQ8_0));
  const ArenaShape rows = {ArenaForm::kRows, PackedType::kQ8_0, 1, 2, 64};
  const ArenaShape matrix = {ArenaForm::kPacked, PackedType::kQ4_1, 1, 2, 64};
  CHECK(rows.matrix_bytes() == 2 * 2 * 34 && rows.stored_type() == StoredType::kQ8_0);
  CHECK(writer.add("r", rows, {bytes.data()}).ok() && writer.add("m", matrix, {bytes.data()}).ok());
  for (ArenaShape shape : {rows, matrix}) {
    shape.num_columns = 48;
    CHECK(writer.add("x", shape, {bytes.data()}).code() == Code::kInvalidArgument);
  }
  REQUIRE(writer.finish(kKey).ok());
  std::shared_ptr<const Arena> arena;
  REQUIRE(Arena::open(folder.file("a"), kKey, &arena).ok());
  ArenaEntry entry;
  CHECK(arena->find("r", ArenaForm::kRows, 1, 2, 64, &entry).ok() && entry.shape.type == PackedType::kQ8_0);
  CHECK(arena->find("m", ArenaForm::kPacked, 1, 2, 64, &entry).ok() && entry.shape.type == PackedType::kQ4_1);
}

TEST(int8_weights_give_the_same_bits_in_chunks_and_others_than_widened_ones) {
  for (const ModelSpec& plain : {small_spec(), small_gqa_spec(), small_dense_spec()}) {
    const ModelSpec spec = in_w8a8(plain);
    const TestWeights weights(spec);
    WeightStore store;
    WeightStore widened;
    REQUIRE(store.open(weights.plan(), weights.policy()).ok());
    REQUIRE(widened.open(weights.plan()).ok());
    const std::vector<float> logits = logits_of(spec, store);
    for (const int chunk_tokens : {1, 2, 7}) CHECK(logits_of(spec, store, chunk_tokens) == logits);
    CHECK(logits_of(plain, widened) != logits);
  }
}

TEST(a_pack_that_fails_or_is_cancelled_leaves_no_file) {
  const TestFolder folder;
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  PackProgress cancelled;
  cancelled.is_cancelled = true;
  CHECK(pack_model(spec, weights.plan(), folder.file("a"), kKey, &cancelled).code() == Code::kClosed);
  CHECK(folder.num_files() == 0);
  WeightPlan plan = weights.plan();
  plan.tensors.pop_back();
  PackProgress progress;
  CHECK(pack_model(spec, plan, folder.file("a"), kKey, &progress).code() == Code::kInvalidArgument);
  CHECK(folder.num_files() == 0);
  CHECK(pack_model(spec, weights.plan(), folder.file("none/a"), kKey, &progress).code() == Code::kIo);
}

TEST(an_arena_with_another_key_or_layout_is_refused) {
  const TestFolder folder;
  std::vector<char> bytes = small_arena(folder.file("a"));
  std::shared_ptr<const Arena> arena;
  CHECK(Arena::open(folder.file("b"), kKey, &arena).code() == Code::kIo);
  CHECK(Arena::open(folder.file("a"), "another key", &arena).code() == Code::kMismatch);
  ++bytes[8];
  write_file(folder.file("b"), bytes);
  CHECK(Arena::open(folder.file("b"), kKey, &arena).code() == Code::kMismatch);
}

TEST(an_arena_gives_no_entry_of_another_size) {
  const TestFolder folder;
  (void)small_arena(folder.file("a"));
  std::shared_ptr<const Arena> arena;
  REQUIRE(Arena::open(folder.file("a"), kKey, &arena).ok());
  ArenaEntry entry;
  CHECK(arena->find("a", ArenaForm::kRows, 1, 2, 3, &entry).ok());
  CHECK(arena->find("b", ArenaForm::kPacked, 2, 5, 3, &entry).ok() && entry.shape.type == PackedType::kBf16);
  CHECK(entry.matrix(1).get() - entry.data.get() == 128);
  CHECK(arena->find("i", ArenaForm::kPacked, 1, 2, 3, &entry).ok() && entry.shape.matrix_bytes() == 16 * 4 + 16 * 4);
  CHECK(arena->find("c", ArenaForm::kRows, 1, 2, 3, &entry).code() == Code::kCorrupt);
  CHECK(arena->find("a", ArenaForm::kPacked, 1, 2, 3, &entry).code() == Code::kCorrupt);
  CHECK(arena->find("a", ArenaForm::kRows, 1, 3, 2, &entry).code() == Code::kCorrupt);
  CHECK(arena->find("b", ArenaForm::kPacked, 1, 5, 3, &entry).code() == Code::kCorrupt);
}

/// Every cut and every changed byte of header and index: opened, or refused by a code of its own.
TEST(a_damaged_arena_is_refused_and_never_crashes) {
  const TestFolder folder;
  const std::vector<char> whole = small_arena(folder.file("a"));
  const auto open_bytes = [&](const std::vector<char>& bytes) {
    write_file(folder.file("b"), bytes);
    std::shared_ptr<const Arena> arena;
    const Status status = Arena::open(folder.file("b"), kKey, &arena);
    CHECK(status.ok() || status.code() == Code::kCorrupt || status.code() == Code::kMismatch);
    return status.ok();
  };
  CHECK(open_bytes(whole));
  for (size_t length = 0; length < whole.size(); length += 7)
    CHECK(!open_bytes({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)}));
  std::vector<char> longer = whole;
  longer.push_back(0);
  CHECK(!open_bytes(longer));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {1, 0x80}) {
      std::vector<char> bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      (void)open_bytes(bytes);
    }
  }
}

TEST(int8_that_is_not_packed_or_too_wide_is_refused) {
  const TestFolder folder;
  const std::vector<std::byte> values(16 * (132112 + 4));
  for (const auto& [shape, is_good] :
       {std::pair{ArenaShape{ArenaForm::kRows, PackedType::kInt8, 1, 2, 3}, false},
        std::pair{ArenaShape{ArenaForm::kPacked, PackedType::kInt8, 1, 1, 132105}, false},
        std::pair{ArenaShape{ArenaForm::kPacked, PackedType::kInt8, 1, 1, 132104}, true}}) {
    ArenaWriter writer;
    std::shared_ptr<const Arena> arena;
    REQUIRE(writer.open(folder.file("a")).ok() && writer.add("a", shape, {values.data()}).ok());
    REQUIRE(writer.finish(kKey).ok());
    CHECK(Arena::open(folder.file("a"), kKey, &arena).code() == (is_good ? Code::kOk : Code::kCorrupt));
  }
}

TEST(a_name_is_packed_once) {
  const TestFolder folder;
  ArenaWriter writer;
  REQUIRE(writer.open(folder.file("a")).ok());
  const float value = 1.0f;
  CHECK(writer.add("a", {ArenaForm::kRows, PackedType::kF32, 1, 1, 1}, {&value}).ok());
  CHECK(writer.add("a", {ArenaForm::kRows, PackedType::kF32, 1, 1, 1}, {&value}).code() == Code::kInvalidArgument);
  CHECK(writer.add("b", {ArenaForm::kRows, PackedType::kF32, 2, 1, 1}, {&value}).code() == Code::kInvalidArgument);
  CHECK(writer.add("b", {ArenaForm::kRows, PackedType::kF32, 1, 0, 1}, {&value}).code() == Code::kInvalidArgument);
}
