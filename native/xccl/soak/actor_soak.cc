#include "xccl/soak/actor.h"

#include <unistd.h>

#include <algorithm>

#include "xccl/exchange_support.h"
#include "xccl/soak/pattern.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

using namespace std::chrono_literals;

std::string name_of(uint32_t rank, uint64_t epoch) {
  return "rank " + std::to_string(rank) + " epoch " + std::to_string(epoch);
}

std::string text_of(const Status& status) {
  return "code " + std::to_string(static_cast<int>(status.code())) + ": " + status.message();
}

}  // namespace

Actor::Actor(Board& board, const Folder& folder, Cast cast, uint32_t rank, uint64_t epoch)
    : board_(board), folder_(folder), cast_(cast), rank_(rank), epoch_(epoch) {}

CommunicatorConfig Actor::config(const Folder& folder) {
  CommunicatorConfig config = testing::config_of(folder, rank_);
  config.epoch = epoch_;
  config.app_bytes = 2'500'000;
  config.zc_bytes = 4 * 65'536;
  config.ring = {8, 4096};
  config.group = {1, 0, 16'384};
  config.max_ranks = kNumRanksMax;
  // Only deaths are to be noticed here, and the machine may be busy with something else.
  config.liveness_timeout = 20s;
  config.on_peer_change = [this](const PeerInfo& info) { on_peer_change(info); };
  return config;
}

void Actor::run() {
  const Status created = Communicator::create(config(folder_), &member_);
  if (!created.ok()) return fail("create: " + text_of(created));
  fill_pattern(member_->app(), rank_, epoch_);
  testing::ExpertThread expert(member_);
  std::vector<std::thread> threads;
  for (uint32_t kind = 0; kind < kNumTrafficKinds; ++kind) threads.emplace_back([this, kind] { run_traffic(kind); });
  while (!board_.is_ending.load()) {
    follow_epochs();
    be_quiet();
    std::this_thread::sleep_for(1ms);
  }
  for (std::thread& thread : threads) thread.join();
  member_->close();
}

void Actor::follow_epochs() {
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) {
    if (rank == rank_) continue;
    PeerSpec spec = testing::peer_of(folder_, rank);
    spec.epoch = board_.ranks[rank].wanted_epoch.load();
    if (spec.epoch == 0) continue;
    const Status status = member_->expect_peer(spec);
    if (!status.ok()) fail("expect_peer " + name_of(rank, spec.epoch) + ": " + text_of(status));
    line().peers[rank].linked_epoch.store(epoch_of(rank));
  }
}

void Actor::be_quiet() {
  const uint32_t order = board_.quiet_order.load();
  if (may_start() || line().quiet_order.load() == order || num_resting_.load() != kNumTrafficKinds) return;
  take_census(getpid(), &line().census);
  line().quiet_order.store(order);
}

void Actor::run_traffic(uint32_t kind) {
  const std::unique_ptr<Traffic> traffic = kTrafficKinds[kind].create(*this, kind);
  bool is_resting = false;
  while (!board_.is_ending.load()) {
    const bool may_rest = !may_start();
    if (!may_rest) traffic->step();
    const bool is_settled = may_rest && traffic->settle();
    if (is_settled != is_resting) num_resting_.fetch_add(is_settled ? 1 : -1);
    is_resting = is_settled;
    if (is_resting) std::this_thread::sleep_for(1ms);
  }
}

/// From the broker's thread.
void Actor::on_peer_change(const PeerInfo& info) {
  if (board_.is_ending.load() || info.state == PeerState::kLinked) return;
  const bool is_death = info.state == PeerState::kDead && info.code == Code::kPeerDead;
  const bool is_lost_race = info.state == PeerState::kRefused && info.code != Code::kTimeout;
  if (!was_killed(board_, info.rank, info.epoch) || !(is_death || is_lost_race)) {
    return fail(name_of(info.rank, info.epoch) + " became " +
                (info.state == PeerState::kDead ? "dead: " : "refused: ") + text_of({info.code, info.reason}));
  }
  if (!is_death) return;
  PeerSight& sight = line().peers[info.rank];
  sight.dead_ns.store(now_ns());
  sight.dead_epoch.store(info.epoch);
}

// ---- Outcomes ----

void Actor::passed(uint32_t kind, uint32_t peer, uint64_t epoch) {
  line().num_checked[kind].fetch_add(1);
  line().peers[peer].proven_epoch[kind].store(epoch);
}

void Actor::refused(uint32_t kind, const Status& status, uint32_t peer, uint64_t epoch, int64_t start_ns) {
  const int64_t end_ns = now_ns();
  const bool is_typed = status.code() == Code::kPeerDead || status.code() == Code::kStale;
  if (!is_typed || !was_killed(board_, peer, epoch)) {
    return fail(std::string(kTrafficKinds[kind].name) + " with " + name_of(peer, epoch) + ": " + text_of(status));
  }
  line().num_refused[kind].fetch_add(1);
  const int64_t delay_ns = end_ns - std::max(start_ns, board_.ranks[peer].killed_ns.load());
  std::atomic<int64_t>& slowest_ns = line().slowest_refusal_ns[kind];
  if (delay_ns > slowest_ns.load()) slowest_ns.store(delay_ns);
  if (delay_ns > kRefusalMaxNs)
    fail(std::string(kTrafficKinds[kind].name) + " with " + name_of(peer, epoch) + " failed only " +
         std::to_string(delay_ns / 1'000'000) + " ms after the kill");
}

void Actor::refused_by_group(uint32_t kind, const Status& status, const std::vector<uint64_t>& epochs,
                             int64_t start_ns) {
  for (uint32_t rank = 0; rank < epochs.size(); ++rank) {
    if (was_killed(board_, rank, epochs[rank])) return refused(kind, status, rank, epochs[rank], start_ns);
  }
  fail(std::string(kTrafficKinds[kind].name) + " with nobody killed: " + text_of(status));
}

void Actor::fail(const std::string& text) { board_fail(board_, name_of(rank_, epoch_) + ": " + text); }

}  // namespace switchyard::xccl::soak
