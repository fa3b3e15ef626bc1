// Bad weight files and configurations end in a specific error, never in a crash.
#include "executor/weights/weight_store.h"

#include "executor/test_support.h"

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
}

/// fp8 [130, 3]: four blocks of scales, two of them of the last two rows.
TEST(weights_in_fp8_are_multiplied_by_the_scale_of_their_block) {
  TestFile file;
  const uint64_t num_values = 130 * 3;
  std::vector<std::byte> bytes(num_values + 2, std::byte{0x38});  // ones
  const float scales[] = {2.0f, 0.5f};
  const auto* from = reinterpret_cast<const std::byte*>(scales);
  bytes.insert(bytes.end(), from, from + sizeof(scales));
  file.write(bytes);
  const WeightTensor scale{"w_scale_inv", file.path(), num_values + 2, sizeof(scales), StoredType::kF32, {2, 1}};
  WeightTensor tensor{"w", file.path(), 0, num_values, StoredType::kF8E4m3, {130, 3}};
  WeightStore without;
  CHECK(without.open({"", {tensor}}).code() == Code::kCorrupt);
  tensor.scales = std::make_shared<WeightTensor>(scale);
  WeightFiles files;
  REQUIRE(files.open({"", {tensor}}).ok());
  const StoredTensor* stored;
  REQUIRE(files.find("w", {130, 3}, &stored).ok() && stored->dtype() == Dtype::kF32);
  std::vector<float> scratch;
  const auto* values = static_cast<const float*>(stored->rows(0, 130, &scratch));
  CHECK(values[0] == 2.0f && values[127 * 3 + 2] == 2.0f && values[128 * 3] == 0.5f && values[129 * 3 + 2] == 0.5f);
  values = static_cast<const float*>(stored->rows(127, 2, &scratch));
  CHECK(scratch.size() == 6 && values[2] == 2.0f && values[3] == 0.5f);
  WeightTensor other = scale;
  other.shape = {1, 2};
  tensor.scales = std::make_shared<WeightTensor>(other);
  WeightStore wrong;
  CHECK(wrong.open({"", {tensor}}).code() == Code::kCorrupt);
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
