#include "xccl/group/combine.h"

#include "xccl/group/gate_sum.h"
#include "xccl/group/row_convert.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "combine: " + text}; }

/// Summing many tokens takes long: peers see that this rank is alive.
constexpr uint32_t kTokensAProgress = 256;

/// How far ahead rows are fetched: the sum of one token does not take long enough for all of the next one's to come.
constexpr uint32_t kTokensAhead = 2;

}  // namespace

Combine::Combine(Rounds& rounds, const ExpertMap& map, const Dispatch& dispatch)
    : rounds_(rounds),
      map_(map),
      dispatch_(dispatch),
      outputs_(map.spec().num_experts),
      pulled_(std::make_unique_for_overwrite<std::byte[]>(map.num_own_pairs_max() * map.combine_row_bytes())) {}

std::span<const std::byte> Combine::outputs_of(const CombineArgs& args) const {
  return {args.outputs, dispatch_.num_pairs_here() * row_bytes_of(args.format, map_.spec().hidden)};
}

Status Combine::check(const CombineArgs& args) const {
  if (args.format > map_.spec().combine_wire) return invalid("outputs are in a narrower format than combine_wire");
  if (!args.is_zero_copy) return {};
  if (args.format != map_.spec().combine_wire) return invalid("zero-copy outputs must be in the wire format");
  Outgoing unused;
  if (outputs_of(args).empty() || rounds_.zero_copy(outputs_of(args), 0, &unused)) return {};
  return invalid("outputs are neither in app() nor in zc()");
}

Status Combine::run(const CombineArgs& args) {
  SWITCHYARD_RETURN_IF_ERROR(publish(args));
  SWITCHYARD_RETURN_IF_ERROR(rounds_.take_each([this](const Arrival& arrival) { return take(arrival); }));
  sum_tokens(args);
  return {};
}

/// All members are given the same: each knows which of the rows are its own.
Status Combine::publish(const CombineArgs& args) {
  const uint64_t row_bytes = map_.combine_row_bytes();
  const uint64_t num_rows = dispatch_.num_pairs_here();
  Outgoing all = Outgoing::managed(0, num_rows * row_bytes);
  if (args.is_zero_copy && num_rows > 0) {
    (void)rounds_.zero_copy(outputs_of(args), 0, &all);  // check() has seen that it can
  } else {
    const uint64_t from_bytes = row_bytes_of(args.format, map_.spec().hidden);
    std::byte* half = rounds_.half().data();
    for (uint64_t row = 0; row < num_rows; ++row) {
      convert_row(args.outputs + row * from_bytes, args.format, map_.spec().combine_wire, map_.spec().hidden,
                  half + row * row_bytes);
    }
  }
  return rounds_.publish_each([&](uint32_t) -> const Outgoing& { return all; });
}

Status Combine::take(const Arrival& arrival) {
  const uint64_t num_bytes = dispatch_.num_outputs(arrival.member) * map_.combine_row_bytes();
  if (arrival.num_bytes != num_bytes) {
    return rounds_.corrupt(arrival.member, "gives outputs of " + std::to_string(arrival.num_bytes) +
                                               " bytes instead of " + std::to_string(num_bytes));
  }
  // What lies in the field is not there any more when it is added.
  const bool may_map = num_bytes != 0 && arrival.source != GroupSource::kInline;
  const std::byte* mapped = may_map ? rounds_.map(arrival) : nullptr;
  for (uint32_t expert = map_.first_expert(arrival.member); expert < map_.end_expert(arrival.member); ++expert) {
    if (mapped) {
      outputs_[expert] = mapped + dispatch_.first_output(expert) * map_.combine_row_bytes();
    } else {
      SWITCHYARD_RETURN_IF_ERROR(pull_outputs(arrival, expert));
    }
  }
  return {};
}

Status Combine::pull_outputs(const Arrival& arrival, uint32_t expert) {
  const uint64_t row_bytes = map_.combine_row_bytes();
  const RoutePlan& plan = dispatch_.plan();
  std::byte* to = pulled_.get() + plan.first_pair(expert) * row_bytes;
  outputs_[expert] = to;
  if (plan.num_pairs(expert) == 0) return {};
  return rounds_.pull(arrival, dispatch_.first_output(expert) * row_bytes, {to, plan.num_pairs(expert) * row_bytes});
}

void Combine::sum_tokens(const CombineArgs& args) const {
  const ExpertParallelSpec& spec = map_.spec();
  const uint32_t num_tokens = dispatch_.plan().num_tokens();
  const uint64_t row_bytes = row_bytes_of(spec.activation, spec.hidden);
  const GateSum run = gate_sum();
  TokenRows rows[kTokensAhead + 1];
  for (uint32_t token = 0; token < kTokensAhead; ++token) find_rows(args, token, &rows[token]);
  for (uint32_t token = 0; token < num_tokens; ++token) {
    if (token % kTokensAProgress == kTokensAProgress - 1) rounds_.local().progress();
    const TokenRows& here = rows[token % (kTokensAhead + 1)];
    TokenRows& next = rows[(token + kTokensAhead) % (kTokensAhead + 1)];
    find_rows(args, token + kTokensAhead, &next);
    GateSumArgs sum{here.outputs, here.gates, here.num_outputs, spec.hidden, spec.combine_wire, spec.activation};
    sum.shared = args.shared ? args.shared + token * row_bytes : nullptr;
    sum.y = args.y + token * row_bytes;
    sum.next_outputs = next.outputs;
    sum.num_next = next.num_outputs;
    run(sum);
  }
}

/// Past the last token there are none.
void Combine::find_rows(const CombineArgs& args, uint32_t token, TokenRows* rows) const {
  const uint32_t top_k = map_.spec().top_k;
  const RoutePlan& plan = dispatch_.plan();
  rows->num_outputs = 0;
  for (uint32_t k = 0; k < top_k && token < plan.num_tokens(); ++k) {
    const int32_t expert = plan.expert_of(token, k);
    if (expert < 0) continue;
    const uint64_t idx = plan.pair_of(token, k) - plan.first_pair(static_cast<uint32_t>(expert));
    rows->outputs[rows->num_outputs] = outputs_[static_cast<uint32_t>(expert)] + idx * map_.combine_row_bytes();
    rows->gates[rows->num_outputs++] = args.gates[uint64_t{token} * top_k + k];
  }
}

}  // namespace switchyard::xccl
