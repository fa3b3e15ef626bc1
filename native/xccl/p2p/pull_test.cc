// Messages that are read out of their sender's memory: when a send of one is over, the helping thread, who may pull, and what becomes
// of offers that are retracted, spoilt, or left behind by a process that dies. (The streams and mixtures of messages in
// messenger_test.cc and async_test.cc run both ways.)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <thread>

#include "xccl/own_rank_support.h"
#include "xccl/p2p/ends_support.h"
#include "xccl/p2p/messenger_impl.h"
#include "xccl/p2p/pull_mode.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;
using Provider = Ends::Provider;

constexpr size_t kLarge = (3 << 20) + 5;  // several parts for the helping thread

void run_over_when_taken(Provider provider) {
  const Ends ends(provider, kRing, pull_always);
  Bytes sent = message_bytes(1, 100);
  const Status early = ends.a().send(ends.b_rank(), 1, sent, deadline_in(10ms));
  CHECK(is_code(early, Code::kTimeout) && contains(early, "not acknowledged"));
  // The memory is the sender's again, and the receiver hears that there is nothing in it.
  sent.assign(sent.size(), std::byte{0});
  Bytes into(200);
  const Status given_up = ends.b().recv(ends.a_rank(), 1, into, nullptr, deadline_in(1s));
  CHECK(is_code(given_up, Code::kTimeout) && contains(given_up, "gave up after 0 of 100"));
  std::thread sender([&] { CHECK(is_code(ends.a().send(ends.b_rank(), 2, sent, deadline_in(5s)), Code::kOk)); });
  CHECK(receives(ends.b(), ends.a_rank(), 2, sent));
  sender.join();
  // Without waiting it goes through the ring.
  CHECK(ends.a().try_send(ends.b_rank(), 3, sent).ok());
  CHECK(receives(ends.b(), ends.a_rank(), 3, sent));
}

TEST(xccl_p2p_pull_is_over_when_the_receiver_has_it_over_self) { run_over_when_taken(Provider::kSelf); }
TEST(xccl_p2p_pull_is_over_when_the_receiver_has_it_over_shm) { run_over_when_taken(Provider::kShm); }

TEST(xccl_p2p_pull_refusals_leave_the_offer) {
  const Ends ends(Provider::kShm, kRing, pull_always);
  const Bytes sent = message_bytes(1, 100);
  OperationId id;
  REQUIRE(ends.a().send_async(1, 7, sent, 0, &id).ok());
  Bytes into(99);
  CHECK(is_code(ends.b().recv(0, 8, into, nullptr, deadline_in(1s)), Code::kMismatch));
  CHECK(is_code(ends.b().recv(0, 7, into, nullptr, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(receives(ends.b(), 0, 7, sent));
  Completion completion;
  CHECK(ends.a().wait(id, deadline_in(1s), &completion).ok() && completion.status.ok() && completion.num_bytes == 100);
}

TEST(xccl_p2p_pull_cancelled_from_the_middle) {
  const Ends ends(Provider::kShm, kRing, pull_always);
  std::vector<Bytes> sent;
  OperationId ids[5];
  for (uint32_t i = 0; i < 5; ++i) sent.push_back(message_bytes(i, 50 + i));
  for (uint32_t i = 0; i < 5; ++i) REQUIRE(ends.a().send_async(1, i, sent[i], i, &ids[i]).ok());
  for (const uint32_t i : {1, 3}) CHECK(ends.a().cancel(ids[i]).ok());
  Bytes into(100);
  for (uint32_t i = 0; i < 5; ++i) {
    if (i % 2 == 0) CHECK(receives(ends.b(), 0, i, sent[i]));
    if (i % 2 == 1) CHECK(is_code(ends.b().recv(0, i, into, nullptr, deadline_in(1s)), Code::kTimeout));
  }
  Completion completions[5];
  CHECK(ends.a().poll(completions) == 5);
}

TEST(xccl_p2p_pull_of_large_messages_by_two_threads) {
  const Ends ends(Provider::kShm, kRing, pull_always);
  const uint64_t seed = test::seed();
  std::thread sender([&] {
    for (uint32_t i = 0; i < 6; ++i)
      CHECK(is_code(ends.a().send(1, i, message_bytes(seed + i, kLarge + i), deadline_in(10s)), Code::kOk));
  });
  for (uint32_t i = 0; i < 6; ++i) {
    // Now and then the receiver comes late.
    if (i % 3 == 2) std::this_thread::sleep_for(5ms);
    CHECK(receives(ends.b(), 0, i, message_bytes(seed + i, kLarge + i), 10s));
  }
  sender.join();
}

// ---- Who may pull ----

/// A short message that nobody receives is sent at once only through the ring.
bool goes_by_ring(Messenger& from, uint32_t dest) {
  return is_code(from.send(dest, 1, message_bytes(1, 100), deadline_in(1s)), Code::kOk);
}

TEST(xccl_p2p_pull_off_on_either_side_uses_the_ring) {
  for (const uint32_t off : {0, 1}) {
    const Ends ends(Provider::kShm, kRing, [off](CommunicatorConfig& config) {
      config.pull_mode = config.rank == off ? PullMode::kOff : PullMode::kAlways;
    });
    CHECK(goes_by_ring(ends.a(), 1) && goes_by_ring(ends.b(), 0));
    CHECK(receives(ends.b(), 0, 1, message_bytes(1, 100)) && receives(ends.a(), 1, 1, message_bytes(1, 100)));
  }
}

/// From now on process_vm_readv fails in this thread and those that it starts.
void forbid_reading() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

template <class Body>
ForkedPeer fork_rank_1(const Folder& folder, bool may_read, Body&& body) {
  return ForkedPeer([&, may_read] {
    if (!may_read) forbid_reading();
    CommunicatorConfig config = ring_config(folder, 1);
    pull_always(config);
    const Member member = make_member(config);
    (void)member->expect_peer(peer_of(folder, 0));
    (void)member->wait_linked(0, 1, deadline_in(5s));
    body(*member->messenger());
    std::this_thread::sleep_for(60s);
  });
}

Member link_rank_0(const Folder& folder) {
  CommunicatorConfig config = ring_config(folder, 0);
  pull_always(config);
  Member a = make_member(config);
  CHECK(a->expect_peer(peer_of(folder, 1)).ok() && is_code(a->wait_linked(1, 1, deadline_in(5s)), Code::kOk));
  return a;
}

TEST(xccl_p2p_pull_uses_the_ring_where_the_peer_may_not_read) {
  const Folder folder;
  {
    const ForkedPeer peer = fork_rank_1(folder, false, [](Messenger& messenger) {
      Bytes into(200);
      if (messenger.recv(0, 1, into, nullptr, deadline_in(5s)).ok())
        (void)messenger.send(0, 2, message_bytes(2, 150), deadline_in(5s));
    });
    const Member a = link_rank_0(folder);
    CHECK(goes_by_ring(*a->messenger(), 1));
    // The other way it is allowed.
    CHECK(receives(*a->messenger(), 1, 2, message_bytes(2, 150)));
  }
  unlink(folder.socket(1).c_str());
}

// ---- Retracting against reading ----

/// A message that says which one it is in every byte but the first four; the sender's memory is written again as soon as it may be.
TEST(xccl_p2p_pull_retracted_at_any_moment_is_never_taken_for_the_message) {
  constexpr uint32_t kNumMessages = 600;
  const Ends ends(Provider::kShm, kRing, pull_always);
  std::atomic<uint32_t> num_whole{0};
  const auto fill_of = [](uint32_t i) { return static_cast<std::byte>(1 + i % 200); };
  std::thread sender([&] {
    Random random(test::seed());
    Bytes buffer(900'000);
    for (uint32_t i = 1; i <= kNumMessages; ++i) {
      const std::span<std::byte> message(buffer.data(), 17 + random.below(i % 16 == 0 ? 899'000 : 60'000));
      for (bool is_published = false; !is_published;) {
        std::fill(message.begin(), message.end(), fill_of(i));
        const Status status = ends.a().send(1, i, message, deadline_in(std::chrono::microseconds(random.below(200))));
        std::fill(message.begin(), message.end(), std::byte{0xff});
        is_published = !contains(status, "ring full");
        CHECK(status.ok() || status.code() == Code::kTimeout);
      }
    }
  });
  Bytes into(900'000);
  for (uint32_t i = 1; i <= kNumMessages; ++i) {
    size_t num_bytes = 0;
    const Status status = ends.b().recv(0, i, into, &num_bytes, deadline_in(10s));
    if (!status.ok()) {
      REQUIRE(is_code(status, Code::kTimeout) && contains(status, "gave up after 0"));
      continue;
    }
    num_whole += 1;
    CHECK(std::all_of(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(num_bytes),
                      [&](std::byte value) { return value == fill_of(i); }));
  }
  sender.join();
  CHECK(num_whole > 0);
}

// ---- Offers that cannot be read ----

/// Read by one thread (small), and by two.
TEST(xccl_p2p_pull_faults_sender_unmaps_what_it_offers) {
  for (const size_t num_bytes : {size_t{8192}, kHelpedBytesMin, size_t{4 << 20}}) {
    const Ends ends(Provider::kShm, kRing, pull_always);
    void* memory = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* message = static_cast<std::byte*>(memory);
    // The second half, so that the read begins well.
    CHECK(munmap(message + num_bytes / 2, num_bytes / 2) == 0);
    std::thread sender([&] {
      CHECK(is_code(ends.a().send(1, 1, {message, num_bytes}, deadline_in(5s)), Code::kPeerDead));
    });
    Bytes into(num_bytes);
    CHECK(is_code(ends.b().recv(0, 1, into, nullptr, deadline_in(5s)), Code::kCorrupt));
    sender.join();
    munmap(memory, num_bytes / 2);
  }
}

/// A rank that is linked to itself, with an offer in its ring, and its memory within reach.
struct Offered {
  explicit Offered(PullMode mode = PullMode::kAlways) : Offered(mode, [](MemoryReader&) {}) {}
  /// `change` what the receiver knows of its peer.
  template <class Change>
  Offered(PullMode mode, Change&& change) {
    CommunicatorConfig config;
    config.ring = kRing;
    config.pull_mode = mode;
    local = make_own_rank(config);
    LinkTarget target = local->peers().entry(0).target;
    change(target.pull.reader);
    local->peers().publish(0, target);
    local->report_corrupt = [this](uint32_t, uint64_t, const std::string&) { num_corrupt_reports += 1; };
    messenger = std::make_unique<MessengerImpl>(*local);
    CHECK(messenger->send_async(0, 1, sent, 0, &id, SendMode::kBuffered).ok());
  }
  RingBody& body() {
    std::byte* ring = local->ctrl().data() + local->layout().ring(0);
    return reinterpret_cast<RingField*>(ring + RingLayout::field(0))->body;
  }
  OfferWords& words() { return local->offer_words(0); }
  uint64_t nonce() const { return local->peers().entry(0).target.pull.own_nonce; }
  Code received() {
    const Status status = messenger->recv(0, 1, std::span(into).first(200), nullptr, deadline_in(1s), nullptr);
    CHECK(into.back() == std::byte{0xee});
    CHECK((status.code() == Code::kCorrupt) == (num_corrupt_reports > 0));
    return status.code();
  }

  const Bytes sent = message_bytes(5, 100);
  Bytes into = Bytes(201, std::byte{0xee});
  OperationId id;
  std::unique_ptr<LocalRank> local;
  std::unique_ptr<MessengerImpl> messenger;
  int num_corrupt_reports = 0;
};

TEST(xccl_p2p_pull_faults_impossible_offers) {
  const auto code_of = [](auto spoil) {
    Offered offered;
    spoil(offered);
    return offered.received();
  };
  CHECK(code_of([](Offered&) {}) == Code::kOk);
  CHECK(code_of([](Offered& offered) { offered.body().offer.address = 0; }) == Code::kCorrupt);
  CHECK(code_of([](Offered& offered) { offered.body().offer.address |= 1ull << 63; }) == Code::kCorrupt);
  CHECK(code_of([](Offered& offered) { offered.body().offer.address = ~0ull - 10; }) == Code::kCorrupt);
  CHECK(code_of([](Offered& offered) { offered.body().offer.num_bytes = 201; }) == Code::kInvalidArgument);
  CHECK(code_of([](Offered& offered) { offered.body().offer.num_bytes = ~0ull; }) == Code::kInvalidArgument);
  CHECK(code_of([](Offered& offered) { offered.body().event = 9; }) == Code::kMismatch);
  CHECK(code_of([](Offered& offered) { offered.words().retraction(0) = offered.nonce() ^ 1; }) == Code::kTimeout);
  // Of another message in this slot, or on another link.
  CHECK(code_of([](Offered& offered) { offered.words().retraction(0) = offered.nonce() ^ (1 + kRing.num_slots); }) ==
        Code::kOk);
  CHECK(code_of([](Offered& offered) { offered.words().retraction(0) = 1; }) == Code::kOk);
  // Its sender has a link after this one.
  CHECK(code_of([](Offered& offered) { offered.words().nonce = offered.nonce() + 1; }) == Code::kPeerDead);
}

/// Whatever was read, it was not the peer's when that is gone: another process may have its pid.
TEST(xccl_p2p_pull_faults_of_a_process_that_ends_meanwhile) {
  const auto code_of = [](uint32_t word) {
    AliveLine alive{};
    alive.word = word;
    return Offered(PullMode::kAlways, [&](MemoryReader& peer) { peer.alive = &alive; }).received();
  };
  CHECK(code_of(1234) == Code::kOk && code_of(1234 | FUTEX_WAITERS) == Code::kOk);
  CHECK(code_of(1234 | FUTEX_OWNER_DIED) == Code::kPeerDead && code_of(FUTEX_OWNER_DIED) == Code::kPeerDead);
  CHECK(code_of(0) == Code::kPeerDead && code_of(FUTEX_WAITERS) == Code::kPeerDead);
  // Its memory goes first.
  Offered dying(PullMode::kAlways, [](MemoryReader& peer) { peer.hello.address = 8; });
  dying.body().offer.address = 8;
  CHECK(dying.received() == Code::kPeerDead);
}

TEST(xccl_p2p_pull_faults_an_offer_to_who_cannot_read_is_corrupt) {
  Offered offered(PullMode::kOff);
  CHECK(offered.body().head != 0 && RingHead{offered.body().head}.kind() == RingKind::kChunk);
  offered.body().head = RingHead::of(RingKind::kOffer, 0, true).bits;
  CHECK(offered.received() == Code::kCorrupt);
}

TEST(xccl_p2p_pull_proof_is_needed) {
  const MemoryProofs proofs(2);
  const ProofHello hello = proofs.begin(1);
  CHECK(reader_of(getpid(), hello).pid == getpid());
  CHECK(reader_of(getpid(), {hello.address, hello.nonce + 1}).pid == 0);
  CHECK(reader_of(getpid(), {hello.address + 8, hello.nonce}).pid == 0);
  CHECK(reader_of(getpid(), {0, hello.nonce}).pid == 0);
  CHECK(reader_of(0, hello).pid == 0 && reader_of(getpid(), {}).pid == 0);
  const ProofHello next = proofs.begin(1);
  CHECK(next.address == hello.address && next.nonce != hello.nonce && reader_of(getpid(), hello).pid == 0);
}

// ---- Death ----

TEST(xccl_p2p_pull_faults_killed_sender_at_random_points) {
  Random random(test::seed());
  for (int round = 0; round < 6; ++round) {
    const Folder folder;
    {
      ForkedPeer victim = fork_rank_1(folder, true, [](Messenger& messenger) {
        for (uint32_t i = 1;; ++i)
          (void)messenger.send(0, i, message_bytes(i, 17 + i * 7919 % 700'000), deadline_in(60s));
      });
      const Member a = link_rank_0(folder);
      std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(random.below(20'000)));
        victim.signal(SIGKILL);
      });
      Bytes into(800'000);
      Status status;
      double last_ms = 0;
      for (uint32_t i = 1; status.ok(); ++i) {
        size_t num_bytes = 0;
        const auto start = std::chrono::steady_clock::now();
        status = a->messenger()->recv(1, i, into, &num_bytes, deadline_in(5s));
        last_ms = ms_since(start);
        if (!status.ok()) break;
        const Bytes expected = message_bytes(i, 17 + i * 7919 % 700'000);
        CHECK(num_bytes == expected.size() && std::equal(expected.begin(), expected.end(), into.begin()));
      }
      CHECK(is_code(status, Code::kPeerDead) && last_ms < 1000);
      killer.join();
    }
    unlink(folder.socket(1).c_str());
  }
}

TEST(xccl_p2p_pull_faults_killed_with_an_offer_standing) {
  const Folder folder;
  {
    ForkedPeer victim = fork_rank_1(
        folder, true, [](Messenger& messenger) { (void)messenger.send(0, 1, Bytes(3000), deadline_in(60s)); });
    const Member a = link_rank_0(folder);
    Bytes into(10);
    // It is there: a room too small says so.
    CHECK(is_code(a->messenger()->recv(1, 1, into, nullptr, deadline_in(5s)), Code::kInvalidArgument));
    victim.kill_now();
    into.resize(3000);
    const auto start = std::chrono::steady_clock::now();
    CHECK(is_code(a->messenger()->recv(1, 1, into, nullptr, deadline_in(5s)), Code::kPeerDead));
    CHECK(ms_since(start) < 1000);
  }
  unlink(folder.socket(1).c_str());
}

TEST(xccl_p2p_pull_faults_killed_receiver_gives_the_memory_back) {
  const Folder folder;
  {
    ForkedPeer victim = fork_rank_1(folder, true, [](Messenger&) {});
    const Member a = link_rank_0(folder);
    std::thread killer([&] {
      std::this_thread::sleep_for(50ms);
      victim.signal(SIGKILL);
    });
    CHECK(is_code(a->messenger()->send(1, 1, Bytes(3000), deadline_in(5s)), Code::kPeerDead));
    killer.join();
  }
  unlink(folder.socket(1).c_str());
}

// ---- The choice ----

/// A rank that sends to itself, and which way each message went.
class SelfSender {
 public:
  SelfSender() {
    CommunicatorConfig config;
    config.ring = {8, 4096};
    local_ = make_own_rank(config);
    messenger_ = std::make_unique<MessengerImpl>(*local_);
  }
  /// Sends and receives one; true if it was offered.
  bool send(uint32_t event, size_t num_bytes) {
    const Bytes sent = message_bytes(event, num_bytes);
    OperationId id;
    CHECK(messenger_->send_async(0, event, sent, 0, &id, SendMode::kBuffered).ok());
    const auto* fields = reinterpret_cast<const RingField*>(ring() + RingLayout::field(0));
    const bool is_offered = RingHead{fields[num_chunks_ % 8].body.head}.kind() == RingKind::kOffer;
    num_chunks_ += is_offered ? 1 : (num_bytes + 4095) / 4096;
    CHECK(receives(*messenger_, 0, event, sent));
    std::array<Completion, 4> done;
    CHECK(messenger_->poll(done) == 1 && done[0].status.ok());
    return is_offered;
  }
  RingAck& ack() { return *reinterpret_cast<RingAck*>(ring()); }
  uint64_t num_chunks() const { return num_chunks_; }

 private:
  std::byte* ring() { return local_->ctrl().data() + local_->layout().ring(0); }

  std::unique_ptr<LocalRank> local_;
  std::unique_ptr<MessengerImpl> messenger_;
  uint64_t num_chunks_ = 0;
};

TEST(xccl_p2p_pull_auto_goes_the_way_that_costs_less) {
  for (const Way cheap : {Way::kPlain, Way::kSpecial}) {
    SelfSender sender;
    uint32_t num_cheap = 0;
    for (uint32_t i = 1; i <= 200; ++i) {
      const Way way = sender.send(i, 20 << 10) ? Way::kSpecial : Way::kPlain;
      num_cheap += way == cheap ? 1 : 0;
      // What the receiver said, if it said something of this message. In truth the sender's own part is a few microseconds.
      if (TakenTime{sender.ack().taken_time}.is_of(sender.num_chunks()))
        sender.ack().taken_time = TakenTime::of(sender.num_chunks(), way == cheap ? 1 : 4'000'000'000).bits;
    }
    CHECK(num_cheap >= 180 && num_cheap < 200);
    CHECK(!sender.send(300, kPullBytesMin - 1));
  }
}

TEST(xccl_p2p_pull_auto_delivers_whatever_is_told_of_costs) {
  Random random(test::seed());
  SelfSender sender;
  uint32_t num_offers = 0;
  for (uint32_t i = 1; i <= 2000; ++i) {
    num_offers += sender.send(i, kPullBytesMin + random.below(12 << 10)) ? 1 : 0;
    const uint64_t chunk = random.below(2) == 0 ? sender.num_chunks() : random.next();
    sender.ack().taken_time = random.below(4) == 0 ? random.next() : TakenTime::of(chunk, random.next() >> 20).bits;
  }
  CHECK(num_offers > 0 && num_offers < 2000);
}

TEST(xccl_p2p_pull_modes_have_names) {
  PullMode mode{};
  CHECK(pull_mode_from_name("off", &mode).ok() && mode == PullMode::kOff);
  const Status unknown = pull_mode_from_name("push", &mode);
  CHECK(is_code(unknown, Code::kInvalidArgument) && contains(unknown, "auto, always, off"));
}

}  // namespace
