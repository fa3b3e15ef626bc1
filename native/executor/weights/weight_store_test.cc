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
  const auto refuses = [](void (*change)(ModelSpec&)) {
    ModelSpec spec = small_spec();
    change(spec);
    return check_model_spec(spec).code() == Code::kInvalidArgument;
  };
  CHECK(!refuses([](ModelSpec&) {}));
  CHECK(refuses([](ModelSpec& s) { s.hidden_size = 0; }));
  CHECK(refuses([](ModelSpec& s) { s.num_dense_layers = 4; }));
  CHECK(refuses([](ModelSpec& s) { s.qk_rope_head_dim = 7; }));
  CHECK(refuses([](ModelSpec& s) { s.num_experts_per_token = 10; }));
  CHECK(refuses([](ModelSpec& s) { s.num_expert_groups = 2; }));
  CHECK(refuses([](ModelSpec& s) { s.num_slices = 4; }));
  CHECK(refuses([](ModelSpec& s) { s.num_slices = 9; }));
  CHECK(refuses([](ModelSpec& s) { s.vocab_size = 1 << 30; }));
}
