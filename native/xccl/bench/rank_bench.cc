// One rank of a bench group: its communicator, and how it warms up, plans and times a measurement in step with the others.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "xccl/bench/harness.h"

namespace switchyard::xccl::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kWarmRoundNs = 10'000'000;  // a round this long tells how long an iteration takes
constexpr uint64_t kNumBatchesMin = 3;

uint64_t ns_between(Clock::time_point start, Clock::time_point end) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count());
}

}  // namespace

Rank::Rank(uint32_t rank, const GroupSpec& spec, const Options& options, SharedBoard& board, std::byte* shared)
    : rank_(rank),
      spec_(spec),
      options_(options),
      board_(board),
      shared_(shared),
      deadline_(deadline_in(options.patience)) {}

Status Rank::open(const testing::PrivateFolder& folder, uint32_t core, const std::vector<uint32_t>& refuge_cores) {
  if (!spec_.configure) return {};
  CommunicatorConfig config;
  config.name = "bench";
  config.rank = rank_;
  config.epoch = 1;
  config.socket_path = folder.socket(rank_);
  config.max_ranks = spec_.num_ranks;
  config.num_local_ranks = spec_.num_ranks;
  config.pin_cores = {core};
  config.refuge_cores = refuge_cores;
  spec_.configure(config);
  SWITCHYARD_RETURN_IF_ERROR(Communicator::create(std::move(config), &communicator_));
  SWITCHYARD_RETURN_IF_ERROR(communicator_->pin_worker(0));
  for (uint32_t peer = 0; peer < spec_.num_ranks; ++peer) {
    if (peer != rank_) SWITCHYARD_RETURN_IF_ERROR(communicator_->expect_peer(testing::peer_of(folder, peer)));
  }
  for (uint32_t peer = 0; peer < spec_.num_ranks; ++peer) {
    if (peer != rank_) SWITCHYARD_RETURN_IF_ERROR(communicator_->wait_linked(peer, 1, deadline_));
  }
  return {};
}

void Rank::close() {
  if (communicator_) communicator_->close();
}

Status Rank::barrier() { return board_barrier(board_, spec_.num_ranks, deadline_); }

void Rank::report_extra(const char* name, double value) {
  const uint32_t at = board_.num_extras.fetch_add(1);
  if (at >= kExtrasMax) return;
  std::snprintf(board_.extras[at].name, sizeof(ExtraFigure::name), "%s", name);
  board_.extras[at].value = value;
}

Status Rank::measure(const Sampling& sampling, const Operation& operation) {
  if (rank_ == 0) board_.is_rate = sampling.is_rate;
  SWITCHYARD_RETURN_IF_ERROR(plan(sampling, operation));
  for (uint32_t repetition = 0; repetition < options_.num_repetitions; ++repetition) {
    SWITCHYARD_RETURN_IF_ERROR(run_repetition(repetition, sampling, operation));
  }
  return {};
}

Status Rank::plan(const Sampling& sampling, const Operation& operation) {
  const auto start = Clock::now();
  if (rank_ == 0) board_.warm_iterations = 1;
  for (;;) {
    SWITCHYARD_RETURN_IF_ERROR(barrier());
    Batch batch{board_.warm_iterations, 0};
    if (batch.num_iterations == 0) return {};
    const auto round_start = Clock::now();
    SWITCHYARD_RETURN_IF_ERROR(operation(batch));
    const auto now = Clock::now();
    SWITCHYARD_RETURN_IF_ERROR(barrier());
    if (rank_ == 0) plan_after_round(sampling, batch, ns_between(round_start, now), ns_between(start, now));
  }
}

void Rank::plan_after_round(const Sampling& sampling, const Batch& round, uint64_t round_ns, uint64_t warm_ns) {
  if (round_ns < kWarmRoundNs) {
    board_.warm_iterations = round.num_iterations * 2;
    return;
  }
  // The quickest round counts: the others were interrupted.
  const auto num_iterations = static_cast<double>(round.num_iterations);
  const uint64_t timed_ns = round.own_ns > 0 ? round.own_ns : round_ns;
  iteration_ns_ = std::min(iteration_ns_, static_cast<double>(round_ns) / num_iterations);
  timed_iteration_ns_ = std::min(timed_iteration_ns_, static_cast<double>(timed_ns) / num_iterations);
  const double wanted_ns = options_.seconds * 1e9;
  if (static_cast<double>(warm_ns) < wanted_ns / 4) return;
  const double batch = std::ceil(static_cast<double>(sampling.sample_ns_min) / timed_iteration_ns_);
  board_.batch = std::max<uint64_t>(1, static_cast<uint64_t>(batch));
  const double batch_ns = static_cast<double>(board_.batch) * iteration_ns_;
  const auto num_batches = static_cast<uint64_t>(wanted_ns / options_.num_repetitions / batch_ns);
  board_.num_batches = std::clamp<uint64_t>(num_batches, kNumBatchesMin, kSamplesMax / options_.num_repetitions);
  board_.warm_iterations = 0;
}

Status Rank::run_repetition(uint32_t repetition, const Sampling& sampling, const Operation& operation) {
  double* samples = board_.samples_us + repetition * board_.num_batches;
  SWITCHYARD_RETURN_IF_ERROR(barrier());
  const auto start = Clock::now();
  for (uint64_t i = 0; i < board_.num_batches; ++i) {
    Batch batch{board_.batch, 0};
    const auto batch_start = Clock::now();
    SWITCHYARD_RETURN_IF_ERROR(operation(batch));
    const uint64_t ns = batch.own_ns > 0 ? batch.own_ns : ns_between(batch_start, Clock::now());
    if (rank_ == 0) samples[i] = static_cast<double>(ns) / static_cast<double>(board_.batch) * sampling.scale / 1e3;
  }
  SWITCHYARD_RETURN_IF_ERROR(barrier());
  if (rank_ == 0) board_.repetition_ns[repetition] = ns_between(start, Clock::now());
  return {};
}

}  // namespace switchyard::xccl::bench
