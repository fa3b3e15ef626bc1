// A pod whose ranks are processes: for tests and the soak that kill and replace ranks of whole exchanges. The process that owns a
// ForkedPod has no rank and no threads, so that it may fork at any time; it gives orders and reads outcomes on a board in shared
// memory. An attention rank runs each step once, an expert rank answers whatever arrives.
#pragma once

#include <sys/mman.h>

#include <functional>

#include "xccl/plan_support.h"

namespace switchyard::xccl::testing {

inline constexpr uint32_t kPodRanksMax = 12;
/// No call waits longer. A Timeout means that somebody hangs: on a busy machine the end of a killed process alone takes up to 7 s.
inline constexpr std::chrono::seconds kPodPatience{20};

/// An expert rank looks this often whether it is to end.
inline constexpr std::chrono::milliseconds kPodServeWait{100};

/// So many steps without a row for some rank do not happen.
inline constexpr int kEmptyStepsMax = 20;

/// Survivors know of a death after this long.
inline constexpr int64_t kPodRefusalMaxNs = 1'000'000'000;

inline int64_t pod_now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// How an event of the last step ended for an attention rank.
struct EventOutcome {
  std::atomic<int32_t> code;
  std::atomic<int32_t> failed_rank;
  std::atomic<uint64_t> touched_mask;  // expert ranks that it has pairs for
  std::atomic<int64_t> ended_ns;
  std::atomic<bool> is_wrong;  // other bytes than the experts' were delivered
  char text[160];
};

/// wanted_epoch and killed_*: the owner. Everything else: that rank.
struct alignas(64) PodLine {
  std::atomic<uint64_t> wanted_epoch;
  std::atomic<uint64_t> killed_epoch;
  std::atomic<int64_t> killed_ns;
  std::atomic<uint64_t> linked_epochs[kPodRanksMax];
  std::atomic<uint64_t> num_held;  // views that an expert rank has taken while it was to hold them
  std::atomic<int64_t> started_ns;
  std::atomic<uint64_t> done_step;
  EventOutcome outcomes[kNumMicroBatches];
};

struct PodBoard {
  std::atomic<uint64_t> step;  // raised after the rest of an order
  std::atomic<uint64_t> active_mask;
  std::atomic<uint64_t> silent_mask;  // attention ranks that are active and do not send
  std::atomic<uint32_t> num_in_flight;
  std::atomic<uint64_t> hold_mask;  // expert ranks that do not answer what they have taken
  std::atomic<bool> is_ending;
  PodLine lines[kPodRanksMax];
};

/// One rank, in a process of its own.
class PodRank {
 public:
  PodRank(PodBoard& board, const Folder& folder, const PodShape& shape, uint32_t rank, uint64_t seed)
      : board_(board), folder_(folder), shape_(shape), rank_(rank), seed_(seed) {}

  void run() {
    CommunicatorConfig config = config_of_pod(folder_, shape_, rank_);
    config.epoch = line().wanted_epoch.load();
    // Only deaths are to be noticed here, and the machine may be busy with something else.
    config.liveness_timeout = kPodPatience;
    member_ = make_member(std::move(config));
    if (!member_) return;
    std::thread experts([this] { serve(); });
    std::thread attention([this] { follow_steps(); });
    while (!board_.is_ending.load()) {
      follow_epochs();
      std::this_thread::sleep_for(500us);
    }
    attention.join();
    member_->close();
    experts.join();
  }

 private:
  void follow_epochs() {
    for (uint32_t peer = 0; peer < shape_.num_ranks(); ++peer) {
      if (peer == rank_ || !are_linked(shape_, rank_, peer)) continue;
      PeerSpec spec = peer_of(folder_, peer);
      spec.epoch = board_.lines[peer].wanted_epoch.load();
      (void)member_->expect_peer(spec);
      line().linked_epochs[peer].store(member_->linked_epoch(peer));
    }
  }

  bool must_hold() const { return has_rank(board_.hold_mask.load(), rank_) && !board_.is_ending.load(); }

  void serve() {
    std::vector<A2eView> views;
    for (;;) {
      views.clear();
      if (member_->expert()->wait_any(deadline_in(kPodServeWait), &views).code() == Code::kClosed) return;
      // Only who has taken something holds: whoever waited in vain and stopped taking would hold what nobody sees held.
      if (views.empty()) continue;
      if (must_hold()) line().num_held.fetch_add(views.size());
      while (must_hold()) {
        member_->expert()->forward();
        member_->progress();
        std::this_thread::sleep_for(100us);
      }
      for (const A2eView& view : views) (void)answer_view(*member_->expert(), view);
    }
  }

  void follow_steps() {
    // As of the fork, not of now: an order may have been given since.
    uint64_t done = line().done_step.load();
    while (!board_.is_ending.load()) {
      const uint64_t step = board_.step.load();
      const bool is_new = step != done;
      const bool takes_part = has_rank(shape_.attention_mask() & board_.active_mask.load(), rank_) &&
                              !has_rank(board_.silent_mask.load(), rank_);
      if (is_new && takes_part) run_step(step);
      if (is_new) line().done_step.store(done = step);
      std::this_thread::sleep_for(50us);
    }
  }

  void run_step(uint64_t step) {
    line().started_ns.store(pod_now_ns());
    const uint32_t num_events = board_.num_in_flight.load();
    RandomBatch batches[kNumMicroBatches];
    bool is_out[kNumMicroBatches] = {};
    for (uint8_t m = 0; m < num_events; ++m) {
      fill(step, m, &batches[m]);
      WaitReport report;
      const Status sent = member_->attention()->send_all(batches[m].batch, deadline_in(kPodPatience), &report);
      is_out[m] = sent.ok();
      if (!is_out[m]) note(m, sent, report, true);
    }
    for (uint8_t m = 0; m < num_events; ++m) {
      if (!is_out[m]) continue;
      WaitReport report;
      const Status awaited = member_->attention()->wait_all(batches[m].batch.event, deadline_in(kPodPatience), &report);
      note(m, awaited, report, !awaited.ok() || is_answered(*member_->attention(), shape_, batches[m]));
    }
  }

  /// A random batch without what would go to inactive expert ranks.
  void fill(uint64_t step, uint8_t micro_batch, RandomBatch* out) {
    Random random(((seed_ * 31 + step) * 31 + rank_) * 31 + micro_batch);
    const uint64_t active = board_.active_mask.load();
    fill_batch(random, shape_, {step, static_cast<uint16_t>(step % 7), micro_batch}, out);
    std::erase_if(out->parts, [&](const A2ePart& part) { return !has_rank(active, part.dest); });
    uint64_t touched = 0;
    for (uint32_t e = 0; e < shape_.num_experts; ++e) {
      const uint32_t dest = shape_.first_expert() + e;
      if (!has_rank(active, dest)) out->routings[e] = {};
      if (!out->routings[e].pair_rows.empty()) touched |= uint64_t{1} << dest;
    }
    out->batch.active_mask = active;
    out->batch.parts = out->parts;
    line().outcomes[micro_batch].touched_mask.store(touched);
  }

  void note(uint8_t micro_batch, const Status& status, const WaitReport& report, bool is_right) {
    EventOutcome& outcome = line().outcomes[micro_batch];
    outcome.code.store(static_cast<int32_t>(status.code()));
    outcome.failed_rank.store(report.failed_rank);
    outcome.ended_ns.store(pod_now_ns());
    outcome.is_wrong.store(!is_right);
    std::snprintf(outcome.text, sizeof(outcome.text), "%s", status.message().c_str());
  }

  PodLine& line() { return board_.lines[rank_]; }

  PodBoard& board_;
  const Folder& folder_;
  const PodShape& shape_;
  const uint32_t rank_;
  const uint64_t seed_;
  Member member_;
};

/// What the outcomes of a pod's steps add up to.
struct PodTally {
  uint64_t num_succeeded = 0;
  uint64_t num_refused = 0;        // PeerDead that names who was killed
  int64_t slowest_refusal_ns = 0;  // from the kill, or from the step if that began later, to the error
};

class ForkedPod {
 public:
  /// While `must_stop` says so, nothing is awaited any longer.
  ForkedPod(
      const PodShape& shape, uint64_t seed, bool (*must_stop)() = [] { return false; })
      : shape_(shape), seed_(seed), must_stop_(must_stop), peers_(shape.num_ranks()) {
    void* memory = mmap(nullptr, sizeof(PodBoard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && shape.num_ranks() <= kPodRanksMax);
    board_ = new (memory) PodBoard{};
    for (uint32_t rank = 0; rank < shape.num_ranks(); ++rank) board_->lines[rank].wanted_epoch.store(++num_epochs_);
    for (uint32_t rank = 0; rank < shape.num_ranks(); ++rank) fork_rank(rank);
  }
  ~ForkedPod() {
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      peers_[rank].reset();
      unlink(folder_.socket(rank).c_str());
    }
    munmap(board_, sizeof(PodBoard));
  }
  ForkedPod(const ForkedPod&) = delete;

  PodBoard& board() { return *board_; }
  PodLine& line(uint32_t rank) { return board_->lines[rank]; }
  const PodShape& shape() const { return shape_; }
  const PodTally& tally() const { return tally_; }
  bool is_alive(uint32_t rank) const { return peers_[rank] != nullptr; }
  /// Of a living rank.
  pid_t pid_of(uint32_t rank) const { return peers_[rank]->pid(); }

  void kill(uint32_t rank) {
    line(rank).killed_epoch.store(line(rank).wanted_epoch.load());
    peers_[rank].reset();
    // Not of the signal: on a busy machine a process may take seconds to end, and nobody can know of it before.
    line(rank).killed_ns.store(pod_now_ns());
    ordered_ &= ~(uint64_t{1} << rank);
  }
  void restart(uint32_t rank) {
    line(rank).wanted_epoch.store(++num_epochs_);
    line(rank).done_step.store(board_->step.load());
    for (auto& epoch : line(rank).linked_epochs) epoch.store(0);
    fork_rank(rank);
  }

  /// True once every pair of living ranks that talk is linked in its present epochs; prints who is not.
  bool await_linked() {
    if (await([this] { return for_each_unlinked([](uint32_t, uint32_t) {}) == 0; })) return true;
    for_each_unlinked([this](uint32_t a, uint32_t b) {
      std::printf("rank %u is linked with rank %u of epoch %llu, not %llu\n", a, b,
                  static_cast<unsigned long long>(line(a).linked_epochs[b].load()),
                  static_cast<unsigned long long>(line(b).wanted_epoch.load()));
    });
    return false;
  }

  /// Who can take part: the living, but no attention rank without its forwarder.
  uint64_t able_mask() const {
    const ExchangeRoles roles({shape_.mode, shape_.pace, shape_.attention_mask(), shape_.expert_mask(), {}});
    uint64_t mask = 0;
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      const uint32_t forwarder = has_rank(shape_.attention_mask(), rank) ? roles.forwarder_of(rank) : kNoRank;
      const bool is_able = is_alive(rank) && (forwarder == kNoRank || is_alive(forwarder));
      if (is_able) mask |= uint64_t{1} << rank;
    }
    return mask;
  }

  /// Orders the next step. An attention rank of the mask may be silent or dead: the others count on it.
  void order(uint64_t active_mask, uint32_t num_in_flight, uint64_t silent_mask = 0) {
    board_->active_mask.store(active_mask);
    board_->num_in_flight.store(num_in_flight);
    board_->silent_mask.store(silent_mask);
    ordered_ = active_mask & shape_.attention_mask() & ~silent_mask;
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      line(rank).num_held.store(0);
      if (!is_alive(rank)) ordered_ &= ~(uint64_t{1} << rank);
    }
    board_->step.fetch_add(1);
  }
  /// Attention ranks that run the last order; not those that were killed since.
  uint64_t ordered() const { return ordered_; }
  bool is_done() const {
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      if (has_rank(ordered(), rank) && board_->lines[rank].done_step.load() != board_->step.load()) return false;
    }
    return true;
  }
  bool await_done() {
    return await([this] { return is_done(); });
  }
  /// Until somebody who is to hold has taken something, or all is done: a random batch may be empty.
  bool await_held() {
    return await([this] { return is_held() || is_done(); });
  }
  bool is_held() {
    uint64_t num_held = 0;
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) num_held += line(rank).num_held.load();
    return num_held > 0;
  }
  /// Orders steps until somebody holds something of one; those before it must succeed.
  bool order_until_held(uint64_t active_mask, uint32_t num_in_flight) {
    for (int i = 0; i < kEmptyStepsMax; ++i) {
      order(active_mask, num_in_flight);
      if (!await_held()) return false;
      if (is_held()) return true;
      if (!all_succeeded()) return false;
    }
    return false;
  }
  /// order() and await_done(), and every event must succeed.
  bool run_step(uint64_t active_mask, uint32_t num_in_flight) {
    order(active_mask, num_in_flight);
    return await_done() && all_succeeded();
  }
  bool all_succeeded() { return judge(kNoRank); }

  /// Judges the outcomes of the last order, and adds them to the tally: each is a success, or PeerDead that names the victim,
  /// within a second of its death. Prints what is neither.
  bool judge(uint32_t victim) {
    bool is_right = true;
    for_each_outcome([&](uint32_t rank, const EventOutcome& outcome) {
      if (add(rank, outcome, victim)) return;
      print(rank, outcome);
      is_right = false;
    });
    return is_right;
  }

  template <class Use>
  void for_each_outcome(Use&& use) {
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      for (uint32_t m = 0; m < board_->num_in_flight.load() && has_rank(ordered(), rank); ++m)
        use(rank, line(rank).outcomes[m]);
    }
  }
  void print(uint32_t rank, const EventOutcome& outcome) {
    std::printf("rank %u, step %llu: code %d after %.1f ms, blames %d%s: %s\n", rank,
                static_cast<unsigned long long>(board_->step.load()), outcome.code.load(),
                static_cast<double>(outcome.ended_ns.load() - line(rank).started_ns.load()) / 1e6,
                outcome.failed_rank.load(), outcome.is_wrong.load() ? ", WRONG BYTES" : "", outcome.text);
  }

  /// False after twice the patience, or when the pod must stop.
  bool await(const std::function<bool()>& condition) {
    const Deadline deadline = deadline_in(2 * kPodPatience);
    while (!condition()) {
      if (must_stop_() || std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(200us);
    }
    return true;
  }

  /// Everybody closes and ends. False when somebody does not, ended otherwise, or left its socket.
  bool end() {
    board_->is_ending.store(true);
    bool is_clean = true;
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      int wait_status = 0;
      if (!is_alive(rank)) continue;
      is_clean &= await([&] { return peers_[rank]->has_ended(&wait_status); }) && wait_status == 0;
      is_clean &= !std::filesystem::exists(folder_.socket(rank));
    }
    return is_clean;
  }

 private:
  /// Pairs of living ranks of which one is not linked with the other; returns their number.
  template <class Use>
  uint32_t for_each_unlinked(Use&& use) {
    uint32_t count = 0;
    for (uint32_t a = 0; a < shape_.num_ranks(); ++a) {
      for (uint32_t b = 0; b < shape_.num_ranks(); ++b) {
        const bool is_pair = a != b && is_alive(a) && is_alive(b) && are_linked(shape_, a, b);
        if (!is_pair || line(a).linked_epochs[b].load() == line(b).wanted_epoch.load()) continue;
        use(a, b);
        count += 1;
      }
    }
    return count;
  }

  /// False when the outcome is wrong.
  bool add(uint32_t rank, const EventOutcome& outcome, uint32_t victim) {
    const int64_t killed_ns = victim == kNoRank ? 0 : line(victim).killed_ns.load();
    const int64_t delay_ns = outcome.ended_ns.load() - std::max(killed_ns, line(rank).started_ns.load());
    if (outcome.is_wrong.load() || (victim != kNoRank && delay_ns >= kPodRefusalMaxNs)) return false;
    if (outcome.code.load() == 0) {
      tally_.num_succeeded += 1;
      return true;
    }
    const bool is_death = victim != kNoRank && outcome.code.load() == static_cast<int32_t>(Code::kPeerDead) &&
                          outcome.failed_rank.load() == static_cast<int32_t>(victim);
    if (!is_death) return false;
    tally_.num_refused += 1;
    tally_.slowest_refusal_ns = std::max(tally_.slowest_refusal_ns, delay_ns);
    return true;
  }

  void fork_rank(uint32_t rank) {
    peers_[rank] = std::make_unique<ForkedPeer>([this, rank] { PodRank(*board_, folder_, shape_, rank, seed_).run(); });
  }

  Folder folder_;
  const PodShape shape_;
  const uint64_t seed_;
  bool (*const must_stop_)();
  PodBoard* board_ = nullptr;
  uint64_t num_epochs_ = 0;
  uint64_t ordered_ = 0;
  PodTally tally_;
  std::vector<std::unique_ptr<ForkedPeer>> peers_;
};

}  // namespace switchyard::xccl::testing
