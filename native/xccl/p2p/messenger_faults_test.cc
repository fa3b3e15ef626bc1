// Point to point when a peer is killed, closes or comes back, and when a ring holds garbage: typed errors in under a second.
#include <thread>

#include "xccl/own_rank_support.h"
#include "xccl/p2p/ends_support.h"
#include "xccl/p2p/messenger_impl.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

constexpr size_t kSlot = kRing.slot_bytes;

/// Rank 1 in a process of its own, linked to rank 0.
template <class Body>
ForkedPeer fork_rank_1(const Folder& folder, uint64_t epoch, Body&& body) {
  return ForkedPeer([&, epoch] {
    const Member member = make_member(ring_config(folder, 1, epoch));
    (void)member->expect_peer(peer_of(folder, 0));
    (void)member->wait_linked(0, 1, deadline_in(5s));
    body(*member->messenger());
    std::this_thread::sleep_for(60s);
  });
}

/// Sends the first half of a large message and no more.
void send_half(Messenger& messenger) { (void)messenger.send(0, 1, Bytes(20 * kSlot), deadline_in(60s)); }

bool links(Communicator& member, const Folder& folder, uint64_t epoch) {
  return member.expect_peer(peer_of(folder, 1, epoch)).ok() &&
         is_code(member.wait_linked(1, epoch, deadline_in(5s)), Code::kOk);
}

TEST(xccl_p2p_faults_killed_sender_fails_the_receiver_and_its_successor_starts_anew) {
  const Folder folder;
  {
    ForkedPeer victim = fork_rank_1(folder, 2, [](Messenger& messenger) {
      (void)messenger.send(0, 1, Bytes(3 * kSlot), deadline_in(5s));
      (void)messenger.send(0, 2, Bytes(20 * kSlot), deadline_in(60s));
    });
    ForkedPeer successor = fork_rank_1(folder, 3, [](Messenger& messenger) {
      for (uint32_t i = 1; i < 30; ++i) (void)messenger.send(0, i, message_bytes(i, i * 40), deadline_in(5s));
    });
    const Member a = make_member(ring_config(folder, 0));
    REQUIRE(links(*a, folder, 2));
    CHECK(receives(*a->messenger(), 1, 1, Bytes(3 * kSlot)));
    // Half of the next message is taken, the sender waits for room, and dies.
    Bytes into(30 * kSlot);
    OperationId outstanding;
    CHECK(a->messenger()->send_async(1, 1, Bytes(30 * kSlot), 0, &outstanding).ok());
    std::thread killer([&] {
      std::this_thread::sleep_for(50ms);
      victim.signal(SIGKILL);
    });
    CHECK(is_code(a->messenger()->wait_signal(1, 8, 1, deadline_in(5s)), Code::kPeerDead));
    const auto start = std::chrono::steady_clock::now();
    const Status status = a->messenger()->recv(1, 2, into, nullptr, deadline_in(5s));
    CHECK(is_code(status, Code::kPeerDead) && ms_since(start) < 1000);
    killer.join();
    victim.kill_now();
    Completion completion;
    CHECK(a->messenger()->wait(outstanding, deadline_in(1s), &completion).ok());
    CHECK(completion.status.code() == Code::kPeerDead);
    REQUIRE(links(*a, folder, 3));
    for (uint32_t i = 1; i < 30; ++i) CHECK(receives(*a->messenger(), 1, i, message_bytes(i, i * 40)));
  }
  for (uint64_t epoch : {2, 3}) unlink(folder.socket(1, epoch).c_str());
}

TEST(xccl_p2p_faults_killed_mid_message) {
  const Folder folder;
  {
    ForkedPeer victim = fork_rank_1(folder, 2, send_half);
    const Member a = make_member(ring_config(folder, 0));
    REQUIRE(links(*a, folder, 2));
    // Stopped before it can send the rest; what came lies in the ring.
    std::this_thread::sleep_for(20ms);
    victim.stop();
    Bytes into(20 * kSlot);
    std::thread killer([&] {
      std::this_thread::sleep_for(100ms);
      victim.signal(SIGKILL);
    });
    const auto start = std::chrono::steady_clock::now();
    const Status status = a->messenger()->recv(1, 1, into, nullptr, deadline_in(5s));
    CHECK(is_code(status, Code::kPeerDead) && ms_since(start) < 1000);
    killer.join();
  }
  unlink(folder.socket(1, 2).c_str());
}

TEST(xccl_p2p_faults_killed_receiver_fails_the_waiting_sender) {
  const Folder folder;
  {
    ForkedPeer victim = fork_rank_1(folder, 2, [](Messenger&) {});
    const Member a = make_member(ring_config(folder, 0));
    REQUIRE(links(*a, folder, 2));
    std::thread killer([&] {
      std::this_thread::sleep_for(100ms);
      victim.signal(SIGKILL);
    });
    const auto start = std::chrono::steady_clock::now();
    const Status status = a->messenger()->send(1, 1, Bytes(20 * kSlot), deadline_in(5s));
    CHECK(is_code(status, Code::kPeerDead) && ms_since(start) < 1000);
    killer.join();
    CHECK(is_code(a->messenger()->send(1, 1, {}, deadline_in(5s)), Code::kPeerDead));
  }
  unlink(folder.socket(1, 2).c_str());
}

TEST(xccl_p2p_faults_close_ends_all_waits) {
  const Ends ends(Ends::Provider::kShm);
  std::thread closer([&] {
    std::this_thread::sleep_for(50ms);
    ends.a_member->close();
  });
  Bytes into(10);
  std::thread receiver([&] { CHECK(is_code(ends.a().recv(1, 1, into, nullptr, deadline_in(5s)), Code::kClosed)); });
  std::thread left([&] { CHECK(is_code(ends.b().wait_signal(0, 8, 1, deadline_in(5s)), Code::kPeerDead)); });
  CHECK(is_code(ends.a().send(1, 1, Bytes(20 * kSlot), deadline_in(5s)), Code::kClosed));
  closer.join();
  receiver.join();
  left.join();
  OperationId id;
  CHECK(is_code(ends.a().recv_async(1, 1, into, 0, &id), Code::kClosed));
  CHECK(is_code(ends.a().put(1, 1, into), Code::kClosed));
}

TEST(xccl_p2p_faults_peer_without_rings_is_unsupported) {
  const Folder folder;
  const Member a = make_member(ring_config(folder, 0));
  const Member b = make_member(config_of(folder, 1));
  REQUIRE(link_members(folder, *a, *b));
  CHECK(b->messenger() == nullptr);
  Bytes into(10);
  CHECK(is_code(a->messenger()->send(1, 1, into, deadline_in(1s)), Code::kUnsupported));
  CHECK(is_code(a->messenger()->recv(1, 1, into, nullptr, deadline_in(1s)), Code::kUnsupported));
}

// ---- Garbage in shared memory ----

/// One rank that is linked to itself, with its memory within reach.
struct OpenRank {
  OpenRank() {
    CommunicatorConfig config;
    config.ring = kRing;
    config.app_bytes = 5000;
    config.zc_bytes = 3000;
    local = make_own_rank(config);
    local->report_corrupt = [this](uint32_t, uint64_t, const std::string&) { num_corrupt_reports += 1; };
    messenger = std::make_unique<MessengerImpl>(*local);
  }
  std::byte* ring() { return local->ctrl().data() + local->layout().ring(0); }
  RingField& field(uint32_t slot) { return *reinterpret_cast<RingField*>(ring() + RingLayout::field(slot)); }

  std::unique_ptr<LocalRank> local;
  std::unique_ptr<MessengerImpl> messenger;
  int num_corrupt_reports = 0;
};

/// A ring with two messages, spoilt by `spoil`, then received until something fails; every outcome but a wrong length is allowed.
template <class Spoil>
Status outcome_of(const Bytes& first, Spoil&& spoil) {
  OpenRank rank;
  CHECK(rank.messenger->try_send(0, 1, first).ok() && rank.messenger->try_send(0, 2, Bytes(8)).ok());
  spoil(rank);
  Bytes into(6 * kSlot + 1, std::byte{0xee});
  const std::span<std::byte> room(into.data(), 6 * kSlot);
  Status status;
  for (uint32_t event = 1; event <= 2 && status.ok(); ++event) {
    size_t num_bytes = 0;
    status = rank.messenger->recv(0, event, room, &num_bytes, deadline_in(2ms), nullptr);
    CHECK(num_bytes <= room.size());
  }
  CHECK(into.back() == std::byte{0xee});
  CHECK((status.code() == Code::kCorrupt) == (rank.num_corrupt_reports > 0));
  return status;
}

TEST(xccl_p2p_faults_impossible_fields_are_corrupt) {
  const auto head = [](RingKind kind, uint32_t value) { return RingHead::of(kind, value, false).bits; };
  const auto code_of = [&](auto spoil) {
    return outcome_of(Bytes(3 * kSlot), [&](OpenRank& rank) { spoil(rank); }).code();
  };
  CHECK(code_of([](OpenRank&) {}) == Code::kOk);
  CHECK(code_of([](OpenRank& rank) { rank.field(0).seq.store(9); }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(2).seq.store(1000); }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(1).seq.store(0); }) == Code::kTimeout);
  CHECK(code_of([&](OpenRank& rank) { rank.field(0).body.head = 0; }) == Code::kCorrupt);
  CHECK(code_of([&](OpenRank& rank) { rank.field(0).body.head = head(RingKind::kChunk, 0); }) == Code::kCorrupt);
  CHECK(code_of([&](OpenRank& rank) { rank.field(0).body.head = head(RingKind::kChunk, kSlot + 1); }) ==
        Code::kCorrupt);
  CHECK(code_of([&](OpenRank& rank) { rank.field(0).body.head = head(RingKind::kInline, 17); }) == Code::kCorrupt);
  CHECK(code_of([&](OpenRank& rank) { rank.field(1).body.head = head(RingKind::kInline, 8); }) == Code::kCorrupt);
  CHECK(code_of([&](OpenRank& rank) { rank.field(1).body.head = head(RingKind::kGivenUp, 0); }) == Code::kTimeout);
  CHECK(code_of([&](OpenRank& rank) { rank.field(0).body.head = head(RingKind::kGivenUp, 0); }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(0).body.chunk.offset = 8; }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(1).body.chunk.total_bytes += 8; }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(1).body.event += 1; }) == Code::kCorrupt);
  CHECK(code_of([](OpenRank& rank) { rank.field(0).body.event += 1; }) == Code::kMismatch);
  CHECK(code_of([](OpenRank& rank) { rank.field(0).body.chunk.total_bytes = ~0ull; }) == Code::kInvalidArgument);
}

TEST(xccl_p2p_faults_impossible_regions_are_corrupt) {
  const auto code_of = [](uint32_t area, uint64_t offset, uint64_t num_bytes) {
    const auto spoil = [=](OpenRank& rank) {
      RingBody& body = rank.field(0).body;
      body.head = RingHead::of(RingKind::kRegion, area, true).bits;
      body.region.offset = offset;
      body.region.num_bytes = num_bytes;
    };
    return outcome_of(Bytes(8), spoil).code();
  };
  CHECK(code_of(0, 4000, 1000) == Code::kOk);
  CHECK(code_of(0, 4000, 1001) == Code::kCorrupt);
  CHECK(code_of(1, 3000, 1) == Code::kCorrupt);
  CHECK(code_of(1, ~0ull - 3, 8) == Code::kCorrupt);
  CHECK(code_of(2, 0, 8) == Code::kCorrupt);
  CHECK(code_of(RingHead::kFreeCoreBit, 4000, 1000) == Code::kOk);
  CHECK(code_of(RingHead::kFreeCoreBit | 2, 0, 8) == Code::kCorrupt);
  CHECK(code_of(RingHead::kFreeCoreBit << 1, 0, 8) == Code::kCorrupt);
  CHECK(code_of(0, 0, ~0ull) == Code::kInvalidArgument);
}

TEST(xccl_p2p_faults_impossible_acknowledgement_is_corrupt) {
  for (const uint64_t acked : {uint64_t{9}, ~uint64_t{0}}) {
    OpenRank rank;
    for (uint32_t i = 0; i < kRing.num_slots; ++i) CHECK(rank.messenger->try_send(0, i, {}).ok());
    reinterpret_cast<std::atomic<uint64_t>*>(rank.ring() + RingLayout::ack_offset())->store(acked);
    CHECK(is_code(rank.messenger->send(0, 9, {}, deadline_in(1s), SendMode::kBuffered, nullptr), Code::kCorrupt));
    CHECK(rank.num_corrupt_reports == 1);
  }
}

TEST(xccl_p2p_faults_garbage_in_a_field_is_an_error_or_harmless) {
  Random random(test::seed());
  uint32_t num_corrupt = 0;
  const uint32_t values[] = {0, 1, 0xffffffffu, 0x80000000u, 256, 0x20000000u};
  for (int i = 0; i < 400; ++i) {
    const auto spoil = [&](OpenRank& rank) {
      const uint32_t num_words = 4 * sizeof(RingField) / sizeof(uint32_t);
      const uint32_t value = random.below(2) == 0 ? values[random.below(6)] : static_cast<uint32_t>(random.next());
      reinterpret_cast<uint32_t*>(&rank.field(0))[random.below(num_words)] = value;
    };
    num_corrupt += outcome_of(Bytes(random.below(2) == 0 ? 3 * kSlot : 9), spoil).code() == Code::kCorrupt;
  }
  CHECK(num_corrupt > 100);
}

}  // namespace
