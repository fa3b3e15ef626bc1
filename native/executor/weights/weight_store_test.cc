// Bad weight files and configurations end in a specific error, never in a crash.
#include "executor/weights/weight_store.h"

#include "executor/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

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
