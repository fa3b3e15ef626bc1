// Bad weight files and configurations end in a specific error, never in a crash.
#include "executor/weights/weight_store.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "executor/test_support.h"
#include "executor/weights/block_units.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

/// A file without a name.
class TestFile {
 public:
  TestFile() : fd_(memfd_create("switchyard-test-tensor", MFD_CLOEXEC)) {}
  ~TestFile() { close(fd_); }
  TestFile(const TestFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  void write(const std::vector<std::byte>& bytes) const {
    REQUIRE(::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }

 private:
  int fd_;
};

Status open_changed(const WeightPlan& plan, void (*change)(WeightTensor&)) {
  WeightPlan changed = plan;
  change(changed.tensors[4]);
  WeightStore store;
  return store.open(changed);
}

}  // namespace

TEST(weights_that_do_not_fit_their_file_are_refused) {
  const TestWeights weights(small_spec());
  WeightStore store;
  CHECK(store.open(weights.plan()).ok());
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) { t.offset = uint64_t{1} << 62; }).code() == Code::kCorrupt);
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) { t.bytes += 2; }).code() == Code::kCorrupt);
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) { t.shape = {-1, 4}; }).code() == Code::kCorrupt);
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) {
          t.shape = {int64_t{1} << 40, int64_t{1} << 40};
        }).code() == Code::kCorrupt);
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) { t.offset += 1; }).code() == Code::kCorrupt);
  CHECK(open_changed(weights.plan(), [](WeightTensor& t) { t.file = "/nowhere/model.safetensors"; }).code() ==
        Code::kIo);
}

TEST(weights_of_a_truncated_file_are_refused) {
  const TestWeights weights(small_spec());
  REQUIRE(ftruncate(weights.fd(), static_cast<off_t>(weights.num_bytes() / 2)) == 0);
  WeightStore store;
  const Status status = store.open(weights.plan());
  CHECK(status.code() == Code::kCorrupt && status.message().find("truncated") != std::string::npos);
}

TEST(weights_that_lack_a_tensor_or_have_another_shape_are_refused_by_name) {
  const TestWeights weights(small_spec());
  WeightStore store;
  REQUIRE(store.open(weights.plan()).ok());
  std::vector<float> values;
  const Status missing = store.load_vector("model.layers.9.input_layernorm.weight", 40, &values);
  CHECK(missing.code() == Code::kInvalidArgument &&
        missing.message().find("model.layers.9.input_layernorm.weight") != std::string::npos);
  const Status odd = store.load_vector("model.norm.weight", 41, &values);
  CHECK(odd.code() == Code::kInvalidArgument && odd.message().find("[40]") != std::string::npos);
}

TEST(impossible_model_specs_are_refused) {
  const auto refuses = [](ModelSpec (*make)(), void (*change)(ModelSpec&)) {
    ModelSpec spec = make();
    change(spec);
    return check_model_spec(spec).code() == Code::kInvalidArgument;
  };
  using Change = void (*)(ModelSpec&);
  const auto nothing = [](ModelSpec&) {};
  CHECK(!refuses(small_spec, nothing) && !refuses(small_gqa_spec, nothing));
  const Change both[] = {
      [](ModelSpec& s) { s.hidden_size = 0; },
      [](ModelSpec& s) { s.num_dense_layers = 4; },
      [](ModelSpec& s) { s.extra_dense_layers = {3}; },
      [](ModelSpec& s) { s.rope.rotary_dim = 7; },
      [](ModelSpec& s) { s.rope.theta = 0.0; },
      [](ModelSpec& s) { s.rope = {.rotary_dim = 6, .scaling = RopeScaling::kYarn, .factor = 2.0}; },
      [](ModelSpec& s) { s.num_experts = 0; },
      [](ModelSpec& s) { s.num_experts_per_token = 10; },
      [](ModelSpec& s) { s.num_expert_groups = 2; },
      [](ModelSpec& s) { s.num_slices = 4; },
      [](ModelSpec& s) { s.num_slices = 9; },
      [](ModelSpec& s) { s.vocab_size = 1 << 30; },
  };
  for (const Change change : both) CHECK(refuses(small_spec, change) && refuses(small_gqa_spec, change));
  CHECK(refuses(small_spec, [](ModelSpec& s) { s.head_dim = 17; }));
  CHECK(refuses(small_gqa_spec, [](ModelSpec& s) { s.num_kv_heads = 4; }));
  CHECK(refuses(small_gqa_spec, [](ModelSpec& s) { s.rope.rotary_dim = 12; }));
  CHECK(refuses(small_gqa_spec, [](ModelSpec& s) { s.v_head_dim = 9; }));
  CHECK(refuses(small_gqa_spec, [](ModelSpec& s) { s.kernel_class = KernelClass::kMlaSplit; }));
}

namespace {

/// A matrix of fp8 or int8 ones, with as many scales as given, 1, 2, 3, ..., behind it.
WeightTensor ones_with_scales(const TestFile& file, StoredType type, std::vector<int64_t> shape,
                              std::vector<int64_t> block, std::vector<int64_t> scale_shape) {
  const auto count = static_cast<uint64_t>(shape[0] * shape[1]);
  const uint64_t scales_at = (count + 3) / 4 * 4;
  std::vector<float> scales(static_cast<size_t>(scale_shape[0] * scale_shape[1]));
  for (size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<float>(i + 1);
  std::vector<std::byte> bytes(scales_at, type == StoredType::kI8 ? std::byte{1} : std::byte{0x38});
  const auto* from = reinterpret_cast<const std::byte*>(scales.data());
  bytes.insert(bytes.end(), from, from + scales.size() * sizeof(float));
  file.write(bytes);
  WeightTensor tensor{"w", file.path(), 0, count, type, shape};
  tensor.scales = std::make_shared<WeightTensor>(WeightTensor{
      "w_scale", file.path(), scales_at, scales.size() * sizeof(float), StoredType::kF32, std::move(scale_shape)});
  tensor.scale_block = std::move(block);
  return tensor;
}

/// The scale of the first and of the last number of rows first_row..; nothing where the tensor is refused.
std::vector<float> ends_of_rows(const WeightTensor& tensor, int64_t first_row = 0) {
  WeightFiles files;
  const StoredTensor* stored;
  std::vector<float> ends, scratch;
  if (!files.open({"", {tensor}}).ok() || !files.find("w", tensor.shape, &stored).ok()) return ends;
  const int64_t num_rows = tensor.shape[0] - first_row;
  const auto* values = static_cast<const float*>(stored->rows(first_row, num_rows, &scratch));
  for (int64_t row = 0; row < num_rows; ++row) {
    ends.push_back(values[row * tensor.shape[1]]);
    ends.push_back(values[(row + 1) * tensor.shape[1] - 1]);
  }
  return ends;
}

}  // namespace

TEST(weights_are_multiplied_by_the_scale_of_their_block_row_or_matrix) {
  using Values = std::vector<float>;
  for (const StoredType type : {StoredType::kF8E4m3, StoredType::kI8}) {
    const TestFile blocks, inside, rows, whole;
    CHECK(ends_of_rows(ones_with_scales(blocks, type, {3, 5}, {2, 4}, {2, 2})) == Values({1, 2, 1, 2, 3, 4}));
    CHECK(ends_of_rows(ones_with_scales(inside, type, {3, 5}, {2, 4}, {2, 2}), 1) == Values({1, 2, 3, 4}));
    CHECK(ends_of_rows(ones_with_scales(rows, type, {3, 5}, {1, 5}, {3, 1})) == Values({1, 1, 2, 2, 3, 3}));
    CHECK(ends_of_rows(ones_with_scales(whole, type, {3, 5}, {3, 5}, {1, 1})) == Values({1, 1, 1, 1, 1, 1}));
  }
}

TEST(policy_w8a8_packs_int8_rows_and_refuses_what_it_cannot) {
  const TestFile rows, blocks, wide;
  const auto load = [](const WeightTensor& tensor, WeightPolicy policy, PackedMatrix* matrix) {
    WeightStore store;
    CHECK(store.open({"", {tensor}}, policy).ok());
    const auto num_columns = static_cast<int>(tensor.shape[1]);
    return store.load_matrix("w", static_cast<int>(tensor.shape[0]), num_columns, matrix);
  };
  PackedMatrix matrix;
  const WeightTensor good = ones_with_scales(rows, StoredType::kI8, {3, 5}, {1, 5}, {3, 1});
  REQUIRE(load(good, WeightPolicy::kW8a8, &matrix).ok());
  CHECK(matrix.type() == PackedType::kInt8 && matrix.scales()[0] == 1 && matrix.scales()[2] == 3);
  REQUIRE(load(good, WeightPolicy::kFp32, &matrix).ok());
  CHECK(matrix.type() == PackedType::kF32);
  const WeightTensor in_blocks = ones_with_scales(blocks, StoredType::kI8, {3, 5}, {3, 4}, {1, 2});
  CHECK(load(in_blocks, WeightPolicy::kFp32, &matrix).ok());
  const Status refused = load(in_blocks, WeightPolicy::kW8a8, &matrix);
  CHECK(refused.code() == Code::kInvalidArgument && refused.message().find("tensor w has scales") == 0);
  const WeightTensor too_wide = ones_with_scales(wide, StoredType::kI8, {1, 132105}, {1, 132105}, {1, 1});
  const Status bound = load(too_wide, WeightPolicy::kW8a8, &matrix);
  CHECK(bound.code() == Code::kInvalidArgument && bound.message().find("allows 132104") != std::string::npos);
}

namespace {

constexpr int kBlockRows = 20, kBlockColumnsOfTest = 512;

/// A matrix [20, 512] of random codes in blocks of a type, all scales of magnitude 2^-11 to 2.
WeightTensor random_blocks(const TestFile& file, StoredType type) {
  const StoredLayout layout = stored_layout(type);
  const uint64_t num_blocks = uint64_t{kBlockRows} * kBlockColumnsOfTest / layout.block_elements;
  std::mt19937_64 random(test::seed());
  std::vector<std::byte> bytes(num_blocks * layout.block_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (uint64_t i = 0; i < num_blocks; ++i) {
    std::byte* block = &bytes[i * layout.block_bytes];
    // The high bytes of the fp16 at the start, and of Q6_K's at the end.
    for (const size_t at : {size_t{1}, size_t{3}, static_cast<size_t>(layout.block_bytes - 1)}) {
      const bool is_scale = type == StoredType::kQ6_K ? at > 3 : at == 1 || (at == 3 && type != StoredType::kQ8_0);
      if (is_scale) block[at] = static_cast<std::byte>(0x10 + random() % 0x30);
    }
  }
  file.write(bytes);
  return {"w", file.path(), 0, bytes.size(), type, {kBlockRows, kBlockColumnsOfTest}};
}

/// All numbers of a matrix [20, 512], row by row, times 127: products with rows that have one number, which is exact in INT8.
std::vector<float> numbers_of(const PackedMatrix& w) {
  std::vector<float> x(size_t{kBlockColumnsOfTest} * kBlockColumnsOfTest);
  for (int k = 0; k < kBlockColumnsOfTest; ++k) x[k * kBlockColumnsOfTest + k] = 127.0f;
  std::vector<float> y(size_t{kBlockColumnsOfTest} * kBlockRows);
  product(w, x.data(), kBlockColumnsOfTest, y.data(), kBlockRows, kBlockColumnsOfTest);
  return y;
}

}  // namespace

TEST(policy_block_a8_keeps_blocks_which_mean_what_they_are_widened_to) {
  for (const StoredType type : {StoredType::kQ8_0, StoredType::kQ4_0, StoredType::kQ4_1, StoredType::kQ5_0,
                                StoredType::kQ5_1, StoredType::kQ4_K, StoredType::kQ5_K, StoredType::kQ6_K}) {
    const TestFile file;
    const WeightTensor tensor = random_blocks(file, type);
    WeightStore blocks, widened;
    REQUIRE(blocks.open({"", {tensor}}, WeightPolicy::kBlockA8).ok() && widened.open({"", {tensor}}).ok());
    PackedMatrix matrix, floats;
    REQUIRE(blocks.load_matrix("w", kBlockRows, kBlockColumnsOfTest, &matrix).ok());
    REQUIRE(widened.load_matrix("w", kBlockRows, kBlockColumnsOfTest, &floats).ok());
    CHECK(matrix.type() == packed_block_type(type) && floats.type() == PackedType::kF32);
    const std::vector<float> ours = numbers_of(matrix);
    const std::vector<float> expected = numbers_of(floats);
    // What a scale and a minimum that nearly cancel leave is known as well as they are.
    for (size_t i = 0; i < ours.size(); ++i)
      CHECK(std::fabs(ours[i] - expected[i]) <= 0.02f + 1e-6f * std::fabs(expected[i]));
  }
}

TEST(policy_block_a8_widens_what_is_transposed_and_keeps_tables_in_blocks) {
  const TestFile file;
  const WeightTensor tensor = random_blocks(file, StoredType::kQ4_0);
  WeightStore store;
  REQUIRE(store.open({"", {tensor}}, WeightPolicy::kBlockA8).ok());
  HeadRows of = {"w", {kBlockRows, kBlockColumnsOfTest}, 2, 10, 4, 5, false};
  std::vector<PackedMatrix> heads, transposed;
  REQUIRE(store.load_heads(of, &heads).ok());
  of.is_transposed = true;
  REQUIRE(store.load_heads(of, &transposed).ok());
  CHECK(heads[1].type() == PackedType::kQ4_0 && heads[1].num_rows() == 5);
  CHECK(transposed[1].type() == PackedType::kF32 && transposed[1].num_columns() == 5);
  PackedMatrix whole;
  REQUIRE(store.load_matrix("w", kBlockRows, kBlockColumnsOfTest, &whole).ok());
  std::vector<float> x(kBlockColumnsOfTest, 0.5f), of_head(5), of_whole(kBlockRows);
  product(heads[1], x.data(), x.size(), of_head.data(), 5, 1);
  product(whole, x.data(), x.size(), of_whole.data(), kBlockRows, 1);
  CHECK(std::equal(of_head.begin(), of_head.end(), &of_whole[14]));
  RowTable table;
  REQUIRE(store.load_table("w", kBlockRows, kBlockColumnsOfTest, &table).ok());
  CHECK(table.type == StoredType::kQ4_0);
}

TEST(weights_whose_scales_do_not_fit_are_refused) {
  const TestFile file;
  const WeightTensor good = ones_with_scales(file, StoredType::kI8, {3, 5}, {2, 4}, {2, 2});
  const auto refuses = [&](void (*change)(WeightTensor&)) {
    WeightTensor changed = good;
    change(changed);
    return WeightStore().open({"", {changed}}).code() == Code::kCorrupt;
  };
  CHECK(WeightStore().open({"", {good}}).ok());
  CHECK(refuses([](WeightTensor& t) { t.scales = nullptr; }));
  CHECK(refuses([](WeightTensor& t) { t.scale_block = {1, 5}; }));
  CHECK(refuses([](WeightTensor& t) { t.scale_block = {2, 0}; }));
  CHECK(refuses([](WeightTensor& t) { t.scale_block = {}; }));
  CHECK(refuses([](WeightTensor& t) { t.scale_block = {INT64_MAX, INT64_MAX}; }));
}

TEST(weights_in_blocks_must_fill_whole_ones) {
  TestFile file;
  file.write(std::vector<std::byte>(2 * 34));
  WeightTensor tensor{"w", file.path(), 0, 2 * 34, StoredType::kQ8_0, {2, 32}};
  WeightStore store;
  CHECK(store.open({"", {tensor}}).ok());
  tensor.shape = {4, 16};
  CHECK(WeightStore().open({"", {tensor}}).code() == Code::kCorrupt);
  tensor.shape = {3, 32};
  CHECK(WeightStore().open({"", {tensor}}).code() == Code::kCorrupt);
  tensor.shape = {};
  tensor.bytes = 0;
  CHECK(WeightStore().open({"", {tensor}}).code() == Code::kCorrupt);
}
