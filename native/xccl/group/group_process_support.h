// One group whose members are processes, for the tests that kill and stop them. The process that owns a ForkedGroup has no rank and
// no threads, so that it may fork at any time; it gives orders and reads outcomes on a board in shared memory. Each order is a
// number of calls of one kind, made by every living rank that it is for until one fails.
#pragma once

#include <sys/mman.h>

#include <array>
#include <thread>

#include "xccl/census_support.h"
#include "xccl/coll/exchange_plan.h"
#include "xccl/group/checked_calls_support.h"

namespace switchyard::xccl::testing {

inline constexpr uint32_t kNumForkedRanks = 4;
/// Nothing waits longer, unless an order says so. A Timeout then means that somebody hangs: processes that fork and link on a machine
/// that is busy with something else come late.
inline constexpr std::chrono::milliseconds kGroupPatience{20'000};

inline int64_t steady_now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// All living ranks take part: where an order holds somebody, it does so right before one of the library's calls.
struct GroupOrder {
  CheckedCall call;
  uint32_t num_calls = 0;
  std::chrono::milliseconds patience = kGroupPatience;
  uint64_t hold_mask =
      0;  // ranks that do not begin call `held_call` of the library, counted from 1, until the mask says so
  uint32_t held_call = 0;
  uint64_t busy_mask = 0;  // ranks that say that they are at work: who of them stands still is dead
};

/// wanted_epoch and blow_ns: the owner. Everything else: that rank, of the last order.
struct alignas(64) GroupLine {
  std::atomic<uint64_t> wanted_epoch;
  std::atomic<int64_t> blow_ns;       // when it was killed or stopped
  std::atomic<uint32_t> num_entered;  // calls of the library begun
  std::atomic<uint32_t> num_passed;   // calls that were right
  std::atomic<bool> is_held;
  std::atomic<int64_t> start_ns;  // of the last call
  std::atomic<int64_t> end_ns;    // of the order
  std::atomic<int32_t> code;      // of the call that failed
  std::atomic<bool> is_wrong;     // other bytes than the members gave were delivered, or before they had
  std::atomic<bool> is_fickle;    // a later call did not fail as the first
  char text[240];
  std::atomic<uint32_t> done_order;
  std::atomic<uint32_t> census_order;
  Census census;
};

struct GroupBoard {
  std::atomic<uint32_t> order;       // raised after the rest of it
  std::atomic<uint32_t> generation;  // all open the group again when it is raised
  std::atomic<CheckedCall> call;
  std::atomic<uint32_t> num_calls;
  std::atomic<int64_t> patience_ms;
  std::atomic<uint64_t> hold_mask;
  std::atomic<uint32_t> held_call;
  std::atomic<uint64_t> busy_mask;
  std::atomic<uint32_t> census_order;
  std::atomic<bool> is_ending;
  GroupLine lines[kNumForkedRanks];
};

/// One rank, in a process of its own.
class GroupRank {
 public:
  GroupRank(GroupBoard& board, const Folder& folder, uint32_t rank, uint64_t seed)
      : board_(board), folder_(folder), rank_(rank), seed_(seed), calls_(kGroupPatience, {24, 96}, [this] {
          enter();
        }) {}

  void run() {
    CommunicatorConfig config = config_of(folder_, rank_);
    config.epoch = line().wanted_epoch.load();
    config.exchange = {};
    config.max_ranks = kNumForkedRanks;
    config.group = {1, 0, 32'768};
    member_ = make_member(std::move(config));
    if (!member_) return;
    std::thread worker([this] { follow_orders(); });
    while (!board_.is_ending.load()) {
      follow_epochs();
      if (line().census_order.load() != board_.census_order.load()) take_census();
      std::this_thread::sleep_for(500us);
    }
    worker.join();
    calls_.close();
    member_->close();
  }

 private:
  void follow_epochs() {
    for (uint32_t peer = 0; peer < kNumForkedRanks; ++peer) {
      if (peer == rank_) continue;
      PeerSpec spec = peer_of(folder_, peer);
      spec.epoch = board_.lines[peer].wanted_epoch.load();
      (void)member_->expect_peer(spec);
    }
  }

  void take_census() {
    const uint32_t order = board_.census_order.load();
    testing::take_census(getpid(), &line().census);
    line().census_order.store(order);
  }

  void follow_orders() {
    uint32_t done = line().done_order.load();
    while (!board_.is_ending.load()) {
      const uint32_t order = board_.order.load();
      if (order != done) {
        run_order(order);
        line().end_ns.store(steady_now_ns());
        line().done_order.store(done = order);
      }
      std::this_thread::sleep_for(50us);
    }
  }

  void run_order(uint32_t order) {
    line().start_ns.store(steady_now_ns());
    const Status opened = follow_generation();
    if (!opened.ok()) return note(opened);
    member_->set_busy(has_rank(board_.busy_mask.load(), rank_));
    calls_.set_patience(std::chrono::milliseconds(board_.patience_ms.load()));
    for (uint32_t i = 0; i < board_.num_calls.load(); ++i) {
      if (!run_call(((seed_ << 8) + order) << 24 | i)) break;
      line().num_passed.fetch_add(1);
    }
    member_->set_busy(false);
  }

  Status follow_generation() {
    const uint32_t generation = board_.generation.load();
    if (generation == generation_) return {};
    GroupSpec spec{0, generation, {}};
    for (uint32_t rank = 0; rank < kNumForkedRanks; ++rank) {
      spec.ranks.push_back(rank);
      if (rank != rank_) SWITCHYARD_RETURN_IF_ERROR(await_linked(rank, board_.lines[rank].wanted_epoch.load()));
    }
    generation_ = generation;
    return calls_.open(*member_, spec);
  }

  /// The other thread may not expect that epoch yet.
  Status await_linked(uint32_t rank, uint64_t epoch) const {
    const Deadline deadline = deadline_in(kGroupPatience);
    while (member_->linked_epoch(rank) != epoch) {
      if (std::chrono::steady_clock::now() >= deadline)
        return {Code::kTimeout, "rank " + std::to_string(rank) + " is not linked in epoch " + std::to_string(epoch)};
      std::this_thread::sleep_for(100us);
    }
    return {};
  }

  bool run_call(uint64_t call_seed) {
    Random random(call_seed);
    const uint32_t limits[] = {24, 4'000, 150'000};
    const uint32_t num_bytes = random.below(limits[random.below(3)]);
    bool is_right = false;
    const Status status = calls_.run(board_.call.load(), call_seed, num_bytes, &is_right);
    if (!status.ok()) {
      note(status);
    } else if (!is_right || !have_all_entered()) {
      line().is_wrong.store(true);
    }
    return status.ok() && !line().is_wrong.load();
  }

  /// Right before each call of the library.
  void enter() {
    const bool is_due = line().num_entered.load() + 1 == board_.held_call.load();
    while (is_due && has_rank(board_.hold_mask.load(), rank_) && !board_.is_ending.load()) {
      line().is_held.store(true);
      std::this_thread::sleep_for(50us);
    }
    line().start_ns.store(steady_now_ns());
    line().num_entered.fetch_add(1);
  }

  /// No call may end well in which a member has not taken part.
  bool have_all_entered() const {
    return std::ranges::all_of(board_.lines, [this](const GroupLine& other) {
      return other.num_entered.load() >= board_.lines[rank_].num_entered.load();
    });
  }

  /// A failure; every later call of the group must be the same one.
  void note(const Status& status) {
    line().code.store(static_cast<int32_t>(status.code()));
    std::snprintf(line().text, sizeof(line().text), "%s", status.message().c_str());
    if (!calls_.group()) return;
    const Status later = calls_.group()->fence(deadline_in(kGroupPatience));
    line().is_fickle.store(later.code() != status.code() || later.message() != status.message());
  }

  GroupLine& line() { return board_.lines[rank_]; }

  GroupBoard& board_;
  const Folder& folder_;
  const uint32_t rank_;
  const uint64_t seed_;
  Member member_;
  CheckedCalls calls_;
  uint32_t generation_ = 0;
};

class ForkedGroup {
 public:
  explicit ForkedGroup(uint64_t seed) : seed_(seed) {
    void* memory = mmap(nullptr, sizeof(GroupBoard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    board_ = new (memory) GroupBoard{};
    for (uint32_t rank = 0; rank < kNumForkedRanks; ++rank) line(rank).wanted_epoch.store(++num_epochs_);
    for (uint32_t rank = 0; rank < kNumForkedRanks; ++rank) fork_rank(rank);
    open_again();
  }
  ~ForkedGroup() {
    for (uint32_t rank = 0; rank < kNumForkedRanks; ++rank) {
      peers_[rank].reset();
      unlink(folder_.socket(rank).c_str());
    }
    munmap(board_, sizeof(GroupBoard));
  }
  ForkedGroup(const ForkedGroup&) = delete;

  GroupLine& line(uint32_t rank) { return board_->lines[rank]; }

  // ---- Blows ----

  void kill(uint32_t rank) {
    line(rank).blow_ns.store(steady_now_ns());
    peers_[rank].reset();
  }
  void restart(uint32_t rank) {
    line(rank).wanted_epoch.store(++num_epochs_);
    line(rank).done_order.store(board_->order.load());
    fork_rank(rank);
  }
  void stop(uint32_t rank) {
    line(rank).blow_ns.store(steady_now_ns());
    peers_[rank]->stop();
  }
  void resume(uint32_t rank) { peers_[rank]->signal(SIGCONT); }

  // ---- Orders ----

  /// With the next order all open the group again.
  void open_again() { board_->generation.fetch_add(1); }

  void order(const GroupOrder& order) {
    for (GroupLine& line : board_->lines) {
      for (auto* count : {&line.num_entered, &line.num_passed}) count->store(0);
      for (auto* flag : {&line.is_held, &line.is_wrong, &line.is_fickle}) flag->store(false);
      line.code.store(0);
    }
    board_->call.store(order.call);
    board_->num_calls.store(order.num_calls);
    board_->patience_ms.store(order.patience.count());
    board_->hold_mask.store(order.hold_mask);
    board_->held_call.store(order.held_call);
    board_->busy_mask.store(order.busy_mask);
    overslept_ = {};
    board_->order.fetch_add(1);
  }
  void let_go() { board_->hold_mask.store(0); }

  /// Of the living; of all but one of them with `except`.
  bool await_done(uint32_t except = kNumForkedRanks) {
    return await([this, except] {
      return all_living(except, [this](GroupLine& line) { return line.done_order.load() == board_->order.load(); });
    });
  }

  /// order() and await_done(), and every call must be right.
  bool run(const GroupOrder& what) {
    order(what);
    bool are_right = await_done();
    for_living(kNumForkedRanks, [&](GroupLine& line) {
      const bool is_right = line.num_passed.load() == what.num_calls && line.code.load() == 0;
      if (!is_right) print(line);
      are_right = are_right && is_right;
    });
    return are_right;
  }

  /// use(line) for each living rank but `except`.
  template <class Use>
  void for_living(uint32_t except, Use&& use) {
    for (uint32_t rank = 0; rank < kNumForkedRanks; ++rank) {
      if (peers_[rank] && rank != except) use(line(rank));
    }
  }
  template <class Condition>
  bool all_living(uint32_t except, Condition&& condition) {
    bool holds = true;
    for_living(except, [&](GroupLine& line) { holds = holds && condition(line); });
    return holds;
  }

  void print(const GroupLine& line) const {
    std::printf("rank %d, order %u, call %u of the library: code %d%s%s: %s\n", static_cast<int>(&line - board_->lines),
                board_->order.load(), line.num_entered.load(), line.code.load(),
                line.is_wrong.load() ? ", WRONG BYTES" : "", line.is_fickle.load() ? ", and then another" : "",
                line.code.load() != 0 ? line.text : "");
  }

  // ---- What they hold ----

  /// Between orders: comes to hold just as much.
  bool holds(uint32_t rank, const std::array<uint32_t, 3>& expected) {
    return await([&] { return count(rank) == expected; });
  }
  /// Descriptors, threads, mappings of segments.
  std::array<uint32_t, 3> count(uint32_t rank) {
    const uint32_t order = board_->census_order.fetch_add(1) + 1;
    (void)await([&] { return line(rank).census_order.load() == order; });
    const Census& census = line(rank).census;
    return {census.num_descriptors.load(), census.num_threads.load(), census.num_mappings.load()};
  }

  /// False after 25 s.
  template <class Condition>
  bool await(Condition&& condition) {
    const Deadline deadline = deadline_in(kGroupPatience + 5s);
    while (!condition()) {
      const Deadline before = std::chrono::steady_clock::now();
      if (before >= deadline) return false;
      std::this_thread::sleep_for(100us);
      const auto slept = std::chrono::steady_clock::now() - before;
      if (slept >= kOversleepMin) overslept_ += slept;
    }
    return true;
  }
  /// How long this process was kept from running since the last order, by a machine that has too much to do: so were the ranks.
  std::chrono::nanoseconds overslept() const { return overslept_; }

  /// Everybody closes and ends. False when somebody does not, or ended otherwise.
  bool end() {
    board_->is_ending.store(true);
    bool is_clean = true;
    for (const auto& peer : peers_) {
      int wait_status = 0;
      if (peer) is_clean &= await([&] { return peer->has_ended(&wait_status); }) && wait_status == 0;
    }
    return is_clean;
  }

 private:
  static constexpr std::chrono::milliseconds kOversleepMin{20};

  void fork_rank(uint32_t rank) {
    peers_[rank] = std::make_unique<ForkedPeer>([this, rank] { GroupRank(*board_, folder_, rank, seed_).run(); });
  }

  Folder folder_;
  const uint64_t seed_;
  GroupBoard* board_ = nullptr;
  uint64_t num_epochs_ = 0;
  std::chrono::nanoseconds overslept_{};
  std::array<std::unique_ptr<ForkedPeer>, kNumForkedRanks> peers_;
};

}  // namespace switchyard::xccl::testing
