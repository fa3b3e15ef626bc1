// Dispatch and combine, the counterpart of MPI_Alltoallv with the same packing (tools/bench/src/suites/xccl/mpi/dispatch.h): tokens
// and experts' outputs lie ready in the app area, in the wire format, since kernels write them there; "int8" quantises tokens on
// the way in, and experts' outputs lie ready as INT8 rows. "int8-fused" quantises those as well.
#include <cmath>
#include <cstring>

#include "xccl/bench/group_support.h"
#include "xccl/bench/routing.h"
#include "xccl/expert_parallel.h"
#include "xccl/group/row_convert.h"

namespace switchyard::xccl::bench {

namespace {

enum class Mode { kBf16, kInt8, kInt8Fused };

constexpr uint32_t kNumRanks = 8;

ExpertParallelSpec spec_of(uint32_t num_tokens, Mode mode) {
  ExpertParallelSpec spec;
  spec.max_tokens = num_tokens;
  spec.hidden = kDispatchHidden;
  spec.top_k = kDispatchTopK;
  spec.num_experts = kDispatchNumExperts;
  spec.dispatch_wire = spec.combine_wire = mode == Mode::kBf16 ? RowFormat::kBf16 : RowFormat::kInt8;
  return spec;
}

/// One rank's inputs: x and the outputs of all pairs that may come here, twice each, for zero-copy calls by turns.
class Inputs {
 public:
  Inputs(Rank& rank, uint32_t num_tokens, Mode mode)
      : spec_(spec_of(num_tokens, mode)),
        mode_(mode),
        output_format_(mode == Mode::kInt8 ? RowFormat::kInt8 : RowFormat::kBf16),
        ids_(num_tokens * kDispatchTopK),
        gates_(ids_.size()),
        y_(x_bytes()) {
    for (uint32_t token = 0; token < num_tokens; ++token) {
      uint32_t experts[kDispatchTopK];
      dispatch_route(rank.rank(), token, experts);
      for (uint32_t k = 0; k < kDispatchTopK; ++k) {
        ids_[token * kDispatchTopK + k] = static_cast<int32_t>(experts[k]);
        gates_[token * kDispatchTopK + k] = 1.0f / static_cast<float>(1 << k);
      }
    }
    std::byte* at = rank.communicator().app().data();
    for (uint32_t turn = 0; turn < 2; ++turn, at += app_bytes(num_tokens, mode) / 2) {
      x_[turn] = at;
      outputs_[turn] = at + x_bytes();
      fill(rank.rank(), turn);
    }
  }

  static uint64_t app_bytes(uint32_t num_tokens, Mode) {
    const uint64_t row_bytes = row_bytes_of(RowFormat::kBf16, kDispatchHidden);
    return 2 * row_bytes * num_tokens * (1 + kNumRanks * kDispatchTopK);
  }

  DispatchArgs dispatch(uint32_t step) const {
    return {step, spec_.max_tokens, x_[step % 2], ids_.data(), mode_ == Mode::kBf16};
  }
  CombineArgs combine(uint32_t step) {
    return {step, outputs_[step % 2], output_format_, mode_ != Mode::kInt8Fused, gates_.data(), nullptr, y_.data()};
  }

  /// Every expert output is 1, so y is the sum of the gates.
  Status check() const {
    for (size_t at = 0; at < y_.size(); at += 2) {
      uint16_t value;
      std::memcpy(&value, y_.data() + at, 2);
      if (std::fabs(bf16_to_float(value) - 1.875f) > 0.01f) return {Code::kInternal, "wrong sums"};
    }
    return {};
  }

 private:
  uint64_t x_bytes() const { return spec_.max_tokens * row_bytes_of(RowFormat::kBf16, kDispatchHidden); }

  void fill(uint32_t rank, uint32_t turn) {
    for (uint64_t i = 0; i < x_bytes() / 2; ++i) {
      const auto random = static_cast<float>(dispatch_random((uint64_t{rank} << 32) + i) % 2001);
      const uint16_t value = float_to_bf16(random / 1000 - 1);
      std::memcpy(x_[turn] + 2 * i, &value, 2);
    }
    const std::vector<uint16_t> ones(kDispatchHidden, float_to_bf16(1));
    const uint64_t row_bytes = row_bytes_of(output_format_, kDispatchHidden);
    for (uint64_t row = 0; row < uint64_t{kNumRanks} * spec_.max_tokens * kDispatchTopK; ++row) {
      convert_row(reinterpret_cast<const std::byte*>(ones.data()), RowFormat::kBf16, output_format_, kDispatchHidden,
                  outputs_[turn] + row * row_bytes);
    }
  }

  const ExpertParallelSpec spec_;
  const Mode mode_;
  const RowFormat output_format_;
  std::vector<int32_t> ids_;
  std::vector<float> gates_;
  std::vector<std::byte> y_;
  std::byte* x_[2] = {};
  std::byte* outputs_[2] = {};
};

Status run_dispatch(uint32_t num_tokens, Mode mode, const Options& options, Report* report) {
  const ExpertParallelSpec shape = spec_of(num_tokens, mode);
  GroupSpec spec;
  spec.num_ranks = kNumRanks;
  spec.configure = [&](CommunicatorConfig& config) {
    config.app_bytes = Inputs::app_bytes(num_tokens, mode);
    config.group = {1, 0, partition_bytes_of(shape)};
  };
  return run_group(spec, options, report, [&](Rank& rank) -> Status {
    std::shared_ptr<Group> group;
    SWITCHYARD_RETURN_IF_ERROR(open_group_of_all(rank, &group));
    std::unique_ptr<ExpertParallel> experts;
    SWITCHYARD_RETURN_IF_ERROR(ExpertParallel::open(group, shape, &experts));
    Inputs inputs(rank, num_tokens, mode);
    uint32_t step = 0;
    SWITCHYARD_RETURN_IF_ERROR(rank.measure({.sample_ns_min = 2'000'000}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i, ++step) {
        DispatchResult here;
        SWITCHYARD_RETURN_IF_ERROR(experts->dispatch(inputs.dispatch(step), rank.deadline(), &here));
        SWITCHYARD_RETURN_IF_ERROR(experts->combine(inputs.combine(step), rank.deadline()));
      }
      return {};
    }));
    return inputs.check();
  });
}

template <uint32_t num_tokens, Mode mode>
Status run(const Options& options, Report* report) {
  return run_dispatch(num_tokens, mode, options, report);
}

const CaseTable table{
    {"dc-8r-b4-bf16", run<4, Mode::kBf16>},
    {"dc-8r-b4-int8", run<4, Mode::kInt8>},
    {"dc-8r-b32-bf16", run<32, Mode::kBf16>},
    {"dc-8r-b32-int8", run<32, Mode::kInt8>},
    {"dc-8r-b128-bf16", run<128, Mode::kBf16>},
    {"dc-8r-b128-int8", run<128, Mode::kInt8>},
    {"dc-8r-b128-int8-fused", run<128, Mode::kInt8Fused>},
};

}  // namespace

}  // namespace switchyard::xccl::bench
