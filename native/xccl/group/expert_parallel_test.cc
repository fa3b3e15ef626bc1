// Dispatch and combine against one serial rank: the same bits for random routes, formats, placements and 1 to 16 ranks; and what
// is refused.
#include "xccl/expert_parallel.h"

#include <algorithm>
#include <cstring>

#include "xccl/group/gate_sum.h"
#include "xccl/group/group_support.h"
#include "xccl/group/row_convert.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

using Bytes = std::vector<std::byte>;

/// Everything that all ranks of a case know.
struct Scenario {
  ExpertParallelSpec spec;
  uint64_t seed = 0;
  RowFormat output_format = RowFormat::kFp32;
};

/// One rank's tokens in one step.
struct Tokens {
  uint32_t count = 0;
  Bytes x;
  Bytes shared;  // empty: none
  std::vector<int32_t> ids;
  std::vector<float> gates;
};

float random_float(Random& random) { return static_cast<float>(static_cast<int32_t>(random.next())) * 0x1p-28f; }

Bytes random_rows(Random& random, RowFormat format, uint32_t num_rows, uint32_t hidden) {
  const uint64_t row_bytes = row_bytes_of(format, hidden);
  Bytes rows(num_rows * row_bytes);
  std::vector<float> wide(hidden);
  for (uint32_t row = 0; row < num_rows; ++row) {
    for (float& value : wide) value = random.below(20) == 0 ? 0 : random_float(random);
    convert_row(reinterpret_cast<const std::byte*>(wide.data()), RowFormat::kFp32, format, hidden,
                rows.data() + row * row_bytes);
  }
  return rows;
}

Tokens random_tokens(const Scenario& scenario, uint32_t rank, uint32_t step) {
  const ExpertParallelSpec& spec = scenario.spec;
  Random random(scenario.seed ^ (uint64_t{rank} << 32 | step));
  Tokens tokens;
  tokens.count = random.below(4) == 0 ? 0 : random.below(spec.max_tokens + 1);
  tokens.x = random_rows(random, spec.activation, tokens.count, spec.hidden);
  if (random.below(2) == 0) tokens.shared = random_rows(random, spec.activation, tokens.count, spec.hidden);
  for (uint32_t token = 0; token < tokens.count; ++token) {
    std::vector<int32_t> experts(spec.num_experts);
    for (uint32_t expert = 0; expert < spec.num_experts; ++expert) experts[expert] = static_cast<int32_t>(expert);
    for (uint32_t k = 0; k < spec.top_k; ++k) {
      const uint32_t at = k + random.below(spec.num_experts - k);
      std::swap(experts[k], experts[at]);
      tokens.ids.push_back(random.below(8) == 0 ? -1 : experts[k]);
      tokens.gates.push_back(random_float(random));
    }
  }
  return tokens;
}

float number_at(const std::byte* row, RowFormat format, uint32_t hidden, uint32_t i) {
  const std::byte* rows[] = {row};
  const float one = 1;
  std::vector<float> wide(hidden);
  gate_sum_of(Isa::kScalar)(
      {rows, &one, 1, hidden, format, RowFormat::kFp32, nullptr, reinterpret_cast<std::byte*>(wide.data())});
  return wide[i];
}

/// What an expert makes of a row as it arrived: written to `out` in the scenario's output format.
void toy_expert(const Scenario& scenario, uint32_t expert, const std::byte* row, std::byte* out) {
  const ExpertParallelSpec& spec = scenario.spec;
  std::vector<float> wide(spec.hidden);
  for (uint32_t i = 0; i < spec.hidden; ++i) {
    wide[i] = number_at(row, spec.dispatch_wire, spec.hidden, i) * (1 + 0.25f * static_cast<float>(expert)) +
              static_cast<float>(i) * 0.01f;
  }
  convert_row(reinterpret_cast<const std::byte*>(wide.data()), RowFormat::kFp32, scenario.output_format, spec.hidden,
              out);
}

/// One token's y, computed alone.
Bytes expected_row(const Scenario& scenario, const Tokens& tokens, uint32_t token) {
  const ExpertParallelSpec& spec = scenario.spec;
  const uint64_t activation_bytes = row_bytes_of(spec.activation, spec.hidden);
  Bytes arrived(row_bytes_of(spec.dispatch_wire, spec.hidden));
  convert_row(tokens.x.data() + token * activation_bytes, spec.activation, spec.dispatch_wire, spec.hidden,
              arrived.data());
  std::vector<Bytes> outputs;
  std::vector<float> gates;
  for (uint32_t k = 0; k < spec.top_k; ++k) {
    const int32_t expert = tokens.ids[token * spec.top_k + k];
    if (expert < 0) continue;
    Bytes made(row_bytes_of(scenario.output_format, spec.hidden));
    toy_expert(scenario, static_cast<uint32_t>(expert), arrived.data(), made.data());
    outputs.emplace_back(row_bytes_of(spec.combine_wire, spec.hidden));
    convert_row(made.data(), scenario.output_format, spec.combine_wire, spec.hidden, outputs.back().data());
    gates.push_back(tokens.gates[token * spec.top_k + k]);
  }
  std::vector<const std::byte*> rows;
  for (const Bytes& output : outputs) rows.push_back(output.data());
  Bytes y(activation_bytes);
  GateSumArgs sum{rows.data(), gates.data(),      static_cast<uint32_t>(rows.size()),
                  spec.hidden, spec.combine_wire, spec.activation};
  sum.shared = tokens.shared.empty() ? nullptr : tokens.shared.data() + token * activation_bytes;
  sum.y = y.data();
  gate_sum_of(Isa::kScalar)(sum);
  return y;
}

/// Runs the experts of this rank; outputs go to `outputs`.
void run_experts(const Scenario& scenario, uint32_t first_expert, const DispatchResult& here, std::byte* outputs) {
  const uint64_t in_bytes = row_bytes_of(scenario.spec.dispatch_wire, scenario.spec.hidden);
  const uint64_t out_bytes = row_bytes_of(scenario.output_format, scenario.spec.hidden);
  uint64_t pair = 0;
  for (uint32_t local = 0; local < here.expert_counts.size(); ++local) {
    for (uint32_t i = 0; i < here.expert_counts[local]; ++i, ++pair)
      toy_expert(scenario, first_expert + local, here.rows + here.pairs[pair].row * in_bytes,
                 outputs + pair * out_bytes);
  }
  CHECK(pair == here.pairs.size());
}

/// Do the references say truly where each pair comes from?
void check_references(const Scenario& scenario, uint32_t step, uint32_t first_expert, const DispatchResult& here) {
  uint64_t pair = 0;
  for (uint32_t local = 0; local < here.expert_counts.size(); ++local) {
    for (uint32_t i = 0; i < here.expert_counts[local]; ++i, ++pair) {
      const PairRef& from = here.pairs[pair];
      const Tokens tokens = random_tokens(scenario, from.member, step);
      const uint32_t id = from.token * scenario.spec.top_k + from.k;
      CHECK(id < tokens.ids.size() && tokens.ids[id] == static_cast<int32_t>(first_expert + local));
    }
  }
}

/// One step of one rank. Zero-copy sources lie in the halves of its app area by turns.
Status run_step(Communicator& member, ExpertParallel& experts, const Scenario& scenario, uint32_t step) {
  const ExpertParallelSpec& spec = experts.spec();
  const Tokens tokens = random_tokens(scenario, member.rank(), step);
  const bool is_x_in_place = spec.activation == spec.dispatch_wire && step % 2 == 0;
  const bool are_outputs_in_place = scenario.output_format == spec.combine_wire && step % 3 != 0;
  const std::span<std::byte> app = member.app().subspan(step % 2 * (member.app().size() / 2), member.app().size() / 2);
  if (is_x_in_place) std::ranges::copy(tokens.x, app.begin());
  DispatchResult here;
  SWITCHYARD_RETURN_IF_ERROR(experts.dispatch(
      {step, tokens.count, is_x_in_place ? app.data() : tokens.x.data(), tokens.ids.data(), is_x_in_place},
      deadline_in(20s), &here));
  const uint32_t first_expert = spec.first_expert[member.rank()];
  check_references(scenario, step, first_expert, here);
  Bytes private_outputs(here.pairs.size() * row_bytes_of(scenario.output_format, spec.hidden));
  std::byte* outputs = are_outputs_in_place ? app.data() + app.size() / 4 : private_outputs.data();
  CHECK(private_outputs.size() <= app.size() / 4 * 3);
  run_experts(scenario, first_expert, here, outputs);
  Bytes y(tokens.x.size());
  SWITCHYARD_RETURN_IF_ERROR(
      experts.combine({step, outputs, scenario.output_format, are_outputs_in_place, tokens.gates.data(),
                       tokens.shared.empty() ? nullptr : tokens.shared.data(), y.data()},
                      deadline_in(20s)));
  const uint64_t row_bytes = row_bytes_of(spec.activation, spec.hidden);
  for (uint32_t token = 0; token < tokens.count; ++token) {
    const Bytes expected = expected_row(scenario, tokens, token);
    CHECK(std::memcmp(y.data() + token * row_bytes, expected.data(), row_bytes) == 0);
  }
  return {};
}

/// Members may have no expert at all.
std::vector<uint32_t> random_placement(Random& random, uint32_t num_ranks, uint32_t num_experts) {
  std::vector<uint32_t> first(num_ranks + 1, 0);
  for (uint32_t member = 1; member < num_ranks; ++member) first[member] = random.below(num_experts + 1);
  std::sort(first.begin(), first.end() - 1);
  first.back() = num_experts;
  return first;
}

Scenario random_scenario(Random& random, uint32_t num_ranks) {
  Scenario scenario;
  ExpertParallelSpec& spec = scenario.spec;
  scenario.seed = random.next();
  spec.max_tokens = 1 + random.below(10);
  spec.hidden = 1 + random.below(70);
  spec.num_experts = 1 + random.below(24);
  spec.top_k = 1 + random.below(std::min(kTopKMax, spec.num_experts));
  if (random.below(3) != 0) spec.first_expert = random_placement(random, num_ranks, spec.num_experts);
  const auto format_from = [&](RowFormat widest) {
    const auto first = static_cast<uint32_t>(widest);
    return static_cast<RowFormat>(first + random.below(3 - first));
  };
  spec.activation = static_cast<RowFormat>(random.below(2));
  spec.dispatch_wire = format_from(spec.activation);
  spec.combine_wire = format_from(RowFormat::kFp32);
  scenario.output_format = static_cast<RowFormat>(random.below(static_cast<uint32_t>(spec.combine_wire) + 1));
  return scenario;
}

void run_member(GroupCluster& cluster, uint32_t rank, uint32_t generation, const Scenario& scenario) {
  const std::shared_ptr<Group> group = cluster.open(rank, generation);
  std::unique_ptr<ExpertParallel> experts;
  REQUIRE(is_code(ExpertParallel::open(group, scenario.spec, &experts), Code::kOk));
  for (uint32_t step = 0; step < 4; ++step)
    REQUIRE(is_code(run_step(cluster[rank], *experts, scenario, step), Code::kOk));
}

void run_scenarios(uint32_t num_ranks, uint32_t num_scenarios, uint64_t seed) {
  GroupCluster cluster(num_ranks, 64 << 10);
  Random random(seed);
  for (uint32_t generation = 1; generation <= num_scenarios; ++generation) {
    const Scenario scenario = random_scenario(random, num_ranks);
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < num_ranks; ++rank)
      threads.emplace_back([&, rank] { run_member(cluster, rank, generation, scenario); });
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(xccl_expert_parallel_has_the_bits_of_one_serial_rank_with_1_to_4_ranks) {
  const uint64_t seed = test::seed();
  for (uint32_t num_ranks = 1; num_ranks <= 4; ++num_ranks) run_scenarios(num_ranks, 8, seed + num_ranks);
}

TEST(xccl_expert_parallel_has_the_bits_of_one_serial_rank_with_9_ranks) { run_scenarios(9, 4, test::seed()); }

TEST(xccl_expert_parallel_has_the_bits_of_one_serial_rank_with_16_ranks) { run_scenarios(16, 2, test::seed()); }

ExpertParallelSpec small_spec() {
  ExpertParallelSpec spec;
  spec.max_tokens = 4;
  spec.hidden = 8;
  spec.top_k = 2;
  spec.num_experts = 3;
  return spec;
}

TEST(xccl_expert_parallel_refuses_impossible_specs) {
  GroupCluster cluster(1, 1024);
  const std::shared_ptr<Group> group = cluster.open(0);
  const auto open = [&](auto&& change) {
    ExpertParallelSpec spec = small_spec();
    change(spec);
    std::unique_ptr<ExpertParallel> experts;
    return ExpertParallel::open(group, spec, &experts).code();
  };
  CHECK(open([](ExpertParallelSpec&) {}) == Code::kOk);
  CHECK(open([](ExpertParallelSpec& spec) { spec.max_tokens = 0; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.hidden = 0; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.top_k = 17; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.activation = RowFormat::kInt8; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.dispatch_wire = RowFormat::kFp32; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.first_expert = {0, 2}; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.first_expert = {0, 1, 3}; }) == Code::kInvalidArgument);
  CHECK(open([](ExpertParallelSpec& spec) { spec.hidden = 128; }) == Code::kInvalidArgument);  // partitions too small
}

TEST(xccl_expert_parallel_refuses_wrong_calls_and_goes_on) {
  GroupCluster cluster(1, 1024);
  std::unique_ptr<ExpertParallel> experts;
  REQUIRE(ExpertParallel::open(cluster.open(0), small_spec(), &experts).ok());
  const Bytes x(5 * 16);
  DispatchResult here;
  const auto dispatch = [&](uint32_t num_tokens, std::vector<int32_t> ids, bool is_zero_copy = false) {
    return experts->dispatch({1, num_tokens, x.data(), ids.data(), is_zero_copy}, deadline_in(1s), &here).code();
  };
  const float gates[] = {1, 1};
  Bytes y(16);
  const auto combine = [&](RowFormat format, bool is_zero_copy) {
    return experts->combine({2, x.data(), format, is_zero_copy, gates, nullptr, y.data()}, deadline_in(1s)).code();
  };
  CHECK(combine(RowFormat::kBf16, false) == Code::kInvalidArgument);
  CHECK(dispatch(5, std::vector<int32_t>(10, -1)) == Code::kInvalidArgument);
  CHECK(dispatch(1, {3, -1}) == Code::kInvalidArgument);
  CHECK(dispatch(1, {-2, -1}) == Code::kInvalidArgument);
  CHECK(dispatch(1, {1, 1}) == Code::kInvalidArgument);
  CHECK(dispatch(1, {1, 0}, true) == Code::kInvalidArgument);
  CHECK(dispatch(1, {2, 0}) == Code::kOk && here.pairs.size() == 2 && here.pairs[0].k == 1);
  CHECK(combine(RowFormat::kInt8, false) == Code::kInvalidArgument);
  CHECK(combine(RowFormat::kBf16, true) == Code::kInvalidArgument);
  CHECK(combine(RowFormat::kBf16, false) == Code::kOk);
  CHECK(combine(RowFormat::kBf16, false) == Code::kInvalidArgument);
}

TEST(xccl_expert_parallel_of_unequal_specs_is_a_mismatch) {
  GroupCluster cluster(2, 4096);
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      ExpertParallelSpec spec = small_spec();
      spec.hidden += rank;
      std::unique_ptr<ExpertParallel> experts;
      REQUIRE(ExpertParallel::open(cluster.open(rank), spec, &experts).ok());
      DispatchResult here;
      const Status status = experts->dispatch({1, 0, nullptr, nullptr, false}, deadline_in(10s), &here);
      CHECK(is_code(status, Code::kMismatch) && status.message().find("hidden 8") != std::string::npos &&
            status.message().find("hidden 9") != std::string::npos);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
