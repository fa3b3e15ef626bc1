// What happens when a peer is killed, stopped, hung, closed or writes garbage: every waiter gets a typed error in under a second
// and the others go on.
#include "xccl/coll/attention.h"
#include "xccl/coll/expert.h"
#include "xccl/exchange_support.h"
#include "xccl/own_rank_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

Routing some_routing(const std::vector<std::byte>& rows, uint64_t seed) {
  Random random(seed);
  return random_routing(random, rows, 16, 3, 3);
}

const std::vector<std::byte>& some_rows() {
  static const std::vector<std::byte> rows(64, std::byte{7});
  return rows;
}

/// A process that joins as `rank`, expects the given peers (all at epoch 1), and runs `body` with its communicator.
template <class Body>
ForkedPeer fork_member(const Folder& folder, uint32_t rank, uint64_t epoch, std::vector<uint32_t> peers, Body&& body) {
  return ForkedPeer([&, peers] {
    const Member member = make_member(config_of(folder, rank, epoch));
    for (const uint32_t peer : peers) (void)member->expect_peer(peer_of(folder, peer));
    body(*member);
  });
}

void do_nothing(Communicator&) { std::this_thread::sleep_for(60s); }

void remove_socket(const Folder& folder, uint32_t rank, uint64_t epoch) { unlink(folder.socket(rank, epoch).c_str()); }

/// Polls until the link to a rank is gone.
bool is_unlinked_within(const Communicator& member, uint32_t rank, std::chrono::nanoseconds patience) {
  const Deadline deadline = deadline_in(patience);
  while (member.linked_epoch(rank) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// Sends one message to rank 1 and waits for 5 s at most; returns the wait's status and how long it took.
Status exchange_once(Communicator& member, uint64_t step, uint32_t dest, double* took_ms) {
  const Routing routing = some_routing(some_rows(), step);
  const auto start = std::chrono::steady_clock::now();
  Status status = member.attention()->send(dest, message_of(routing, some_rows(), 16, {step, 0, 0}), deadline_in(5s));
  const uint32_t dests[] = {dest};
  if (status.ok()) {
    WaitReport report;
    status = member.attention()->wait({step, 0, 0}, dests, deadline_in(5s), &report);
    CHECK(report.failed_rank == (status.code() == Code::kPeerDead ? static_cast<int32_t>(dest) : -1));
  }
  if (status.ok()) CHECK(is_expected(member.attention()->view(dest, 0), routing, 16));
  *took_ms = ms_since(start);
  return status;
}

TEST(xccl_faults_killed_expert_fails_the_wait_and_its_successor_serves) {
  const Folder folder;
  {
    ForkedPeer victim = fork_member(folder, 1, 2, {0}, do_nothing);
    ForkedPeer successor = fork_member(folder, 1, 3, {0}, serve_experts);
    const Member a = make_member(config_of(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1, 2)).ok());
    REQUIRE(is_code(a->wait_linked(1, 2, deadline_in(5s)), Code::kOk));
    std::thread killer([&] {
      std::this_thread::sleep_for(100ms);
      victim.signal(SIGKILL);
    });
    double took_ms = 0;
    const Status status = exchange_once(*a, 1, 1, &took_ms);
    killer.join();
    CHECK(is_code(status, Code::kPeerDead) && took_ms < 1000);
    CHECK(status.message().find("its process ended") != std::string::npos ||
          status.message().find("connection ended") != std::string::npos);
    victim.kill_now();
    CHECK(a->expect_peer(peer_of(folder, 1, 3)).ok());
    REQUIRE(is_code(a->wait_linked(1, 3, deadline_in(5s)), Code::kOk));
    for (uint64_t step = 2; step < 20; ++step) CHECK(is_code(exchange_once(*a, step, 1, &took_ms), Code::kOk));
  }
  for (uint64_t epoch : {2, 3}) remove_socket(folder, 1, epoch);
}

TEST(xccl_faults_stopped_expert_that_owes_an_answer_is_dead) {
  const Folder folder;
  {
    ForkedPeer victim = fork_member(folder, 1, 2, {0}, serve_experts);
    const Member a = make_member(config_of(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1, 2)).ok());
    REQUIRE(is_code(a->wait_linked(1, 2, deadline_in(5s)), Code::kOk));
    double took_ms = 0;
    CHECK(is_code(exchange_once(*a, 1, 1, &took_ms), Code::kOk));
    victim.stop();
    const Status status = exchange_once(*a, 2, 1, &took_ms);
    CHECK(is_code(status, Code::kPeerDead) && took_ms > 400 && took_ms < 1000);
    CHECK(status.message().find("stands still") != std::string::npos);
    // It wakes up and hears that it was given up; it stays dead for this epoch.
    victim.signal(SIGCONT);
    CHECK(is_code(exchange_once(*a, 3, 1, &took_ms), Code::kPeerDead) && took_ms < 400);
  }
  remove_socket(folder, 1, 2);
}

TEST(xccl_faults_stopped_idle_peer_is_left_alone) {
  const Folder folder;
  {
    ForkedPeer idle = fork_member(folder, 1, 2, {0}, do_nothing);
    const Member a = make_member(config_of(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1, 2)).ok());
    REQUIRE(is_code(a->wait_linked(1, 2, deadline_in(5s)), Code::kOk));
    idle.stop();
    std::this_thread::sleep_for(800ms);
    CHECK(a->linked_epoch(1) == 2);
  }
  remove_socket(folder, 1, 2);
}

TEST(xccl_faults_dead_attention_rank_delays_nobody) {
  const Folder folder;
  {
    // Rank 2 sends and is killed while its message is being worked on; rank 0 is served all the while.
    ForkedPeer victim = fork_member(folder, 2, 2, {1}, [](Communicator& member) {
      (void)member.wait_linked(1, 1, deadline_in(5s));
      double took_ms = 0;
      (void)exchange_once(member, 1, 1, &took_ms);
    });
    const Member a = make_member(config_of(folder, 0));
    const Member e = make_member(config_of(folder, 1));
    REQUIRE(link_members(folder, *a, *e));
    CHECK(e->expect_peer(peer_of(folder, 2, 2)).ok());
    std::vector<A2eView> views;
    REQUIRE(is_code(e->expert()->wait_any(deadline_in(5s), &views), Code::kOk));
    REQUIRE(views.size() == 1 && views[0].rank == 2);
    victim.kill_now();
    {
      std::thread expert([&] { serve_experts(*e); });
      double took_ms = 0;
      CHECK(is_code(exchange_once(*a, 1, 1, &took_ms), Code::kOk) && took_ms < 400);
      CHECK(is_unlinked_within(*e, 2, 1s));
      // Closing waits for the last use of the dead rank's memory.
      std::thread closer([&] { e->close(); });
      expert.join();
      CHECK(!e->expert()->finish(views[0]).ok());
      closer.join();
    }
  }
  remove_socket(folder, 2, 2);
}

TEST(xccl_faults_busy_peer_must_progress_unless_allowed) {
  const Folder folder;
  CommunicatorConfig config = config_of(folder, 0);
  config.liveness_timeout = 150ms;
  const Member a = make_member(config);
  const Member b = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *b));
  b->set_busy(true);
  for (int i = 0; i < 13; ++i) {
    std::this_thread::sleep_for(20ms);
    b->progress();
  }
  CHECK(a->linked_epoch(1) == 2);
  b->allow(2s);
  std::this_thread::sleep_for(250ms);
  CHECK(a->linked_epoch(1) == 2);
  b->set_busy(false);
  std::this_thread::sleep_for(250ms);
  CHECK(a->linked_epoch(1) == 2);
  b->set_busy(true);
  CHECK(is_unlinked_within(*a, 1, 5s));
  CHECK(is_code(a->wait_linked(1, 2, deadline_in(0s)), Code::kPeerDead));
  // The one that was given up hears it.
  CHECK(is_unlinked_within(*b, 0, 5s));
  CHECK(is_code(b->wait_linked(0, 1, deadline_in(0s)), Code::kPeerDead));
}

TEST(xccl_faults_close_ends_all_waits) {
  const Folder folder;
  // The peer owes an answer for as long as the closer sleeps: on a loaded machine that must not look like its hang.
  CommunicatorConfig config = config_of(folder, 0);
  config.liveness_timeout = 10s;
  const Member a = make_member(config);
  const Member e = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *e));
  CHECK(a->expect_peer(peer_of(folder, 3)).ok());
  std::thread closer([&] {
    std::this_thread::sleep_for(100ms);
    a->close();
  });
  std::thread linker([&] { CHECK(is_code(a->wait_linked(3, 1, deadline_in(5s)), Code::kClosed)); });
  std::thread server([&] {
    std::vector<A2eView> views;
    CHECK(is_code(a->expert()->wait_any(deadline_in(5s), &views), Code::kClosed));
  });
  double took_ms = 0;
  CHECK(is_code(exchange_once(*a, 1, 1, &took_ms), Code::kClosed) && took_ms < 1000);
  closer.join();
  linker.join();
  server.join();
  CHECK(is_code(exchange_once(*a, 2, 1, &took_ms), Code::kClosed));
  CHECK(is_code(a->expect_peer(peer_of(folder, 4)), Code::kClosed));
}

// ---- A spoilt control segment, between two whole members ----

/// The control segment of the only member that lives in this process, as a broken peer would write it.
class ForeignHand {
 public:
  ForeignHand() {
    for (int fd = 3; fd < 256 && fd_ < 0; ++fd) {
      char name[64] = {};
      const std::string path = "/proc/self/fd/" + std::to_string(fd);
      const bool is_open = readlink(path.c_str(), name, sizeof(name) - 1) > 0;
      if (is_open && std::strncmp(name, "/memfd:switchyard-ctrl", 22) == 0) fd_ = dup(fd);
    }
    CHECK(fd_ >= 0);
  }
  ~ForeignHand() { ::close(fd_); }
  ForeignHand(const ForeignHand&) = delete;
  /// Returns what was there before.
  template <class Value>
  Value write(uint64_t offset, Value value) const {
    Value before{};
    CHECK(pread(fd_, &before, sizeof(before), static_cast<off_t>(offset)) == sizeof(before));
    CHECK(pwrite(fd_, &value, sizeof(value), static_cast<off_t>(offset)) == sizeof(value));
    return before;
  }

 private:
  int fd_ = -1;
};

/// The code by which a member holds its only peer for dead, within a second.
Code code_of_death(const Communicator& member) {
  const auto start = std::chrono::steady_clock::now();
  while (member.peers().at(0).state != PeerState::kDead && ms_since(start) < 1000) std::this_thread::sleep_for(1ms);
  return member.peers().at(0).code;
}

TEST(xccl_faults_corrupt_pair_blames_its_owner_and_a_new_epoch_serves) {
  const Folder folder;
  Member a = make_member(config_of(folder, 0));
  const ForeignHand hand;
  const Member e = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *e));
  const Routing routing = some_routing(some_rows(), 1);
  REQUIRE(a->attention()->send(1, message_of(routing, some_rows(), 16, {1, 0, 0}), deadline_in(1s)).ok());
  hand.write(CtrlLayout::e2a_field(1, 0), uint64_t{1000});
  const uint32_t dests[] = {1};
  CHECK(is_code(a->attention()->wait({1, 0, 0}, dests, deadline_in(5s)), Code::kCorrupt));
  CHECK(code_of_death(*a) == Code::kCorrupt && code_of_death(*e) == Code::kPeerDead);
  a->close();
  a = make_member(config_of(folder, 0, 3));
  REQUIRE(link_members(folder, *a, *e));
  const ExpertThread server(e);
  double took_ms = 0;
  for (uint64_t step = 1; step < 20; ++step) CHECK(is_code(exchange_once(*a, step, 1, &took_ms), Code::kOk));
  e->close();
}

TEST(xccl_faults_event_on_a_replaced_link_is_lost_by_its_peers_death) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  Member e = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *e));
  const Routing routing = some_routing(some_rows(), 1);
  REQUIRE(a->attention()->send(1, message_of(routing, some_rows(), 16, {1, 0, 0}), deadline_in(1s)).ok());
  e->close();
  e = make_member(config_of(folder, 1, 3));
  REQUIRE(link_members(folder, *a, *e));
  // The other micro-batch already goes to the new epoch when the first one is asked for.
  const ExpertThread server(e);
  REQUIRE(a->attention()->send(1, message_of(routing, some_rows(), 16, {1, 0, 1}), deadline_in(1s)).ok());
  const uint32_t dests[] = {1};
  WaitReport report;
  CHECK(is_code(a->attention()->wait({1, 0, 0}, dests, deadline_in(5s), &report), Code::kPeerDead));
  CHECK(report.failed_rank == 1);
  CHECK(is_code(a->attention()->wait({1, 0, 1}, dests, deadline_in(5s)), Code::kOk));
  CHECK(is_expected(a->attention()->view(1, 1), routing, 16));
  e->close();
}

TEST(xccl_faults_damaged_alive_word_blames_its_owner) {
  const Folder folder;
  const Member owner = make_member(config_of(folder, 0));
  const ForeignHand hand;
  const Member peer = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *owner, *peer));
  hand.write(offsetof(CtrlFixed, alive) + sizeof(AliveLine) * peer->rank(), uint32_t{0x7f});
  CHECK(code_of_death(*owner) == Code::kCorrupt && code_of_death(*peer) == Code::kPeerDead);
  CHECK(owner->peers().at(0).reason.find("alive word of rank 0") != std::string::npos);
}

// ---- Garbage in shared memory ----

/// One rank with both halves of the exchange and its memory within reach.
struct OpenRank {
  std::unique_ptr<LocalRank> local;
  std::unique_ptr<Attention> attention;
  std::unique_ptr<Expert> expert;
  int num_corrupt_reports = 0;

  OpenRank() {
    CommunicatorConfig config;
    config.exchange = kShape;
    local = make_own_rank(config);
    local->report_corrupt = [this](uint32_t, uint64_t, const std::string&) { num_corrupt_reports += 1; };
    attention = std::make_unique<Attention>(*local);
    expert = std::make_unique<Expert>(*local);
  }
  Status send(uint64_t step) {
    return attention->send(0, message_of(routing, some_rows(), 16, {step, 0, 0}), deadline_in(1s), nullptr);
  }
  Status wait(uint64_t step) {
    const uint32_t dests[] = {0};
    return attention->wait({step, 0, 0}, dests, deadline_in(50ms), nullptr);
  }
  PairFields& fields() { return local->fixed().pairs[0]; }
  std::byte* slot() { return local->ctrl().data() + local->layout().a2e_slot(0, 0); }

  const Routing routing = some_routing(some_rows(), 5);
};

bool holds_promises(const A2eView& view) {
  uint64_t sum = 0;
  for (const uint32_t count : view.expert_counts) sum += count;
  bool is_good = sum == view.pair_rows.size() && view.num_rows <= kShape.max_tokens && view.row_bytes > 0 &&
                 view.row_bytes <= kShape.row_bytes;
  for (const uint32_t row : view.pair_rows) is_good = is_good && row < view.num_rows;
  return is_good && view.traces.size() <= kNumTracesMax;
}

TEST(xccl_faults_garbage_in_a_slot_is_corrupt_or_harmless) {
  Random random(test::seed());
  OpenRank rank;
  uint64_t num_corrupt = 0;
  for (uint64_t step = 1; step <= 3000; ++step) {
    REQUIRE(rank.send(step).ok());
    const bool is_field = random.below(2) == 0;
    auto* words =
        is_field ? reinterpret_cast<uint32_t*>(&rank.fields().a2e[0].body) : reinterpret_cast<uint32_t*>(rank.slot());
    const uint32_t num_words = is_field
                                   ? sizeof(PairFieldBody) / 4
                                   : static_cast<uint32_t>(rank.local->layout().exchange_layout().rows_offset() / 4);
    const uint32_t values[] = {0, 1, 0xffffffffu, 0x80000000u, static_cast<uint32_t>(random.next()), random.below(64)};
    words[random.below(num_words)] = values[random.below(6)];
    std::vector<A2eView> views;
    const Status arrived = rank.expert->wait_any(deadline_in(0s), &views);
    for (const A2eView& view : views) {
      REQUIRE(holds_promises(view));
      CHECK(answer_view(*rank.expert, view).ok());
    }
    const Status answered = rank.wait(step);
    const bool is_allowed = answered.ok() || answered.code() == Code::kCorrupt || answered.code() == Code::kMismatch;
    CHECK(is_allowed && (arrived.ok() || answered.code() == Code::kCorrupt || answered.code() == Code::kMismatch));
    num_corrupt += answered.code() == Code::kCorrupt;
  }
  CHECK(num_corrupt > 100 && rank.expert->num_corrupt() >= 100 && rank.num_corrupt_reports == 0);
}

TEST(xccl_faults_garbage_in_an_answer_is_corrupt_or_mismatch) {
  OpenRank rank;
  uint64_t step = 0;
  const auto outcome_of = [&](auto spoil) {
    REQUIRE(rank.send(++step).ok());
    std::vector<A2eView> views;
    REQUIRE(rank.expert->wait_any(deadline_in(0s), &views).ok());
    CHECK(answer_view(*rank.expert, views[0]).ok());
    spoil(rank.fields().e2a[0]);
  };
  outcome_of([](PairField& field) { field.body.step += 1; });
  CHECK(is_code(rank.wait(step), Code::kMismatch));
  outcome_of([](PairField& field) { field.body.layer += 1; });
  CHECK(is_code(rank.wait(step), Code::kMismatch));
  outcome_of([](PairField& field) { field.body.direction = Direction::kA2e; });
  CHECK(is_code(rank.wait(step), Code::kCorrupt));
  outcome_of([](PairField& field) { field.body.num_pairs += 1; });
  CHECK(is_code(rank.wait(step), Code::kCorrupt));
  outcome_of([](PairField& field) { field.body.detail = 200; });
  CHECK(is_code(rank.wait(step), Code::kCorrupt));
  outcome_of([](PairField&) {});
  CHECK(is_code(rank.wait(step), Code::kOk));
  CHECK(rank.num_corrupt_reports == 0);
  outcome_of([](PairField& field) { field.seq.store(1000); });
  CHECK(is_code(rank.wait(step), Code::kCorrupt));
  CHECK(rank.num_corrupt_reports == 1);
}

TEST(xccl_faults_jumping_sequence_number_ends_the_link) {
  OpenRank rank;
  REQUIRE(rank.send(1).ok());
  rank.fields().a2e[0].seq.store(5);
  std::vector<A2eView> views;
  CHECK(is_code(rank.expert->wait_any(deadline_in(20ms), &views), Code::kTimeout));
  CHECK(views.empty() && rank.num_corrupt_reports == 1);
}

}  // namespace
