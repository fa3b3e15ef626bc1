// The handshake, refusals, liveness by close, re-joining under a new epoch, and what the segments let a peer do.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "xccl/broker/frames.h"
#include "xccl/broker/unix_socket.h"
#include "xccl/exchange_support.h"
#include "xccl/segment/segment.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

TEST(xccl_handshake_links_both_sides_and_tells) {
  const Folder folder;
  std::mutex mutex;
  std::vector<PeerInfo> seen;
  CommunicatorConfig config = config_of(folder, 0);
  config.on_peer_change = [&](const PeerInfo& info) {
    const std::lock_guard lock(mutex);
    seen.push_back(info);
  };
  const Member a = make_member(config);
  const Member b = make_member(config_of(folder, 1, 3));
  REQUIRE(link_members(folder, *a, *b));
  CHECK(a->linked_epoch(1) == 3 && b->linked_epoch(0) == 1 && a->linked_epoch(0) == 1 && a->linked_epoch(2) == 0);
  CHECK(a->peers().size() == 1 && a->peers()[0].state == PeerState::kLinked);
  b->close();
  // Told after it is known: a close between the two would tell nobody.
  const auto num_seen = [&] {
    const std::lock_guard lock(mutex);
    return seen.size();
  };
  const auto start = std::chrono::steady_clock::now();
  while (num_seen() < 2 && ms_since(start) < 1000) std::this_thread::sleep_for(1ms);
  CHECK(a->linked_epoch(1) == 0);
  CHECK(is_code(a->wait_linked(1, 3, deadline_in(0s)), Code::kPeerDead));
  a->close();
  const std::lock_guard lock(mutex);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].state == PeerState::kLinked && seen[0].rank == 1 && seen[0].epoch == 3);
  CHECK(seen[1].state == PeerState::kDead && !seen[1].reason.empty());
}

/// Links 0 with a rank 1 whose configuration was changed, and says what both got.
template <class Change>
void expect_refusal(Code code, Change&& change) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  CommunicatorConfig other = config_of(folder, 1);
  change(other);
  const Member b = make_member(other);
  expect_each_other(folder, *a, *b);
  CHECK(is_code(b->wait_linked(0, 1, deadline_in(3s)), code));
  CHECK(a->linked_epoch(1) == 0 && b->linked_epoch(0) == 0);
}

TEST(xccl_handshake_refuses_a_wrong_nonce) {
  expect_refusal(Code::kMismatch, [](CommunicatorConfig& config) { config.nonce[5] ^= 1; });
}

TEST(xccl_handshake_refuses_another_numeric_class_on_both_sides) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  CommunicatorConfig other = config_of(folder, 1);
  other.compatibility = "bf16/test";
  const Member b = make_member(other);
  expect_each_other(folder, *a, *b);
  CHECK(is_code(b->wait_linked(0, 1, deadline_in(3s)), Code::kMismatch));
  CHECK(is_code(a->wait_linked(1, 1, deadline_in(3s)), Code::kMismatch));
}

TEST(xccl_handshake_pairs_an_empty_numeric_class_with_any) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  CommunicatorConfig other = config_of(folder, 1);
  other.compatibility.clear();
  other.exchange = ExchangeShape{};
  const Member b = make_member(other);
  CHECK(link_members(folder, *a, *b));
  CHECK(b->attention() == nullptr && b->expert() == nullptr);
  const A2eMessage empty{{1, 0, 0}, 0, 3, {}, {}, nullptr, 16, {}, {}};
  CHECK(is_code(a->attention()->send(1, empty, deadline_in(1s)), Code::kUnsupported));
}

TEST(xccl_handshake_refuses_another_communicator_and_shape) {
  expect_refusal(Code::kMismatch, [](CommunicatorConfig& config) { config.name = "other"; });
  expect_refusal(Code::kMismatch, [](CommunicatorConfig& config) { config.exchange.top_k = 3; });
  expect_refusal(Code::kMismatch, [](CommunicatorConfig& config) { config.max_ranks = 4; });
}

TEST(xccl_handshake_refuses_a_stale_dialer_and_a_stale_target) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0, 2));
  const Member b = make_member(config_of(folder, 1, 5));
  CHECK(a->expect_peer(peer_of(folder, 1, 9)).ok());
  CHECK(is_code(a->expect_peer(peer_of(folder, 1, 8)), Code::kStale));
  // Rank 1 is an epoch that rank 0 no longer expects; and the rank 0 that it dials has an older epoch than the one that lives.
  CHECK(b->expect_peer(peer_of(folder, 0, 2)).ok());
  CHECK(is_code(b->wait_linked(0, 2, deadline_in(3s)), Code::kStale));
  const Member c = make_member(config_of(folder, 2, 6));
  PeerSpec old = peer_of(folder, 0, 1);
  old.socket_path = folder.socket(0, 2);
  CHECK(c->expect_peer(old).ok());
  CHECK(is_code(c->wait_linked(0, 1, deadline_in(3s)), Code::kStale));
}

TEST(xccl_handshake_with_the_old_epoch_of_a_path_does_not_spoil_the_new_one) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0, 5));
  CHECK(a->expect_peer(peer_of(folder, 1, 3)).ok());
  const Member b = make_member(config_of(folder, 1, 3));
  // Rank 1 still dials the epoch that listened at this path before.
  PeerSpec old = peer_of(folder, 0, 5);
  old.epoch = 2;
  CHECK(b->expect_peer(old).ok());
  CHECK(is_code(b->wait_linked(0, 2, deadline_in(3s)), Code::kStale));
  CHECK(b->expect_peer(peer_of(folder, 0, 5)).ok());
  CHECK(is_code(b->wait_linked(0, 5, deadline_in(3s)), Code::kOk));
  CHECK(is_code(a->wait_linked(1, 3, deadline_in(3s)), Code::kOk));
}

TEST(xccl_handshake_gives_up_in_time_and_says_why) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 1));
  PeerSpec absent = peer_of(folder, 0);
  absent.link_timeout = 100ms;
  CHECK(a->expect_peer(absent).ok());
  const Status status = a->wait_linked(0, 1, deadline_in(3s));
  CHECK(is_code(status, Code::kTimeout));
  CHECK(status.message().find("connect") != std::string::npos);
  CHECK(is_code(a->wait_linked(5, 1, deadline_in(0s)), Code::kInvalidArgument));
}

TEST(xccl_create_checks_its_configuration) {
  const Folder folder;
  const auto create = [&](auto change) {
    CommunicatorConfig config = config_of(folder, 0);
    change(config);
    Member made;
    return Communicator::create(config, &made);
  };
  CHECK(is_code(create([](CommunicatorConfig& c) { c.rank = 8; }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.max_ranks = 65; }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.epoch = 0; }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.name.clear(); }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.exchange.top_k = 0; }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.exchange.max_tokens = 1 << 30; }), Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.socket_path = "/tmp/" + std::string(110, 'x'); }),
                Code::kInvalidArgument));
  CHECK(is_code(create([](CommunicatorConfig& c) { c.socket_path = "/tmp/switchyard-open-folder"; }),
                Code::kInvalidArgument));
  const Member first = make_member(config_of(folder, 0));
  CHECK(is_code(create([](CommunicatorConfig&) {}), Code::kInvalidArgument));
}

TEST(xccl_create_replaces_the_socket_of_a_dead_process) {
  const Folder folder;
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, folder.socket(0).c_str());
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  ::close(fd);
  CHECK(make_member(config_of(folder, 0)) != nullptr);
}

// ---- A peer that speaks the protocol by hand ----

/// Connects to rank 0 as rank 1 and sends a valid kHello made by `speaker`'s own configuration.
struct HandMadePeer {
  std::unique_ptr<LocalRank> speaker;
  FileDescriptor connection;

  HandMadePeer(const Folder& folder, const CommunicatorConfig& config) {
    CHECK(LocalRank::create(config, &speaker).ok());
    CHECK(dial(folder.socket(0), &connection).ok());
    CHECK(send_frame(connection, frame_from(*speaker, FrameKind::kHello, 0, 1)).ok());
  }

  /// The next frame's kind, or nothing after a second.
  std::optional<Frame> next_frame() {
    const auto start = std::chrono::steady_clock::now();
    while (ms_since(start) < 1000) {
      Frame frame{};
      std::vector<FileDescriptor> fds;
      const Received received = receive_frame(connection, &frame, &fds);
      if (received == Received::kFrame) return frame;
      if (received != Received::kNothing) return std::nullopt;
      std::this_thread::sleep_for(1ms);
    }
    return std::nullopt;
  }

  std::optional<Frame> send_segments(std::vector<int> fds) {
    CHECK(send_frame(connection, frame_from(*speaker, FrameKind::kSegments, 0, 1), fds).ok());
    return next_frame();
  }
};

/// Rank 0 gets these descriptors from a rank 1 that is in order otherwise; returns the text of its refusal.
std::string refusal_of_segments(const Folder& folder, Communicator& a, uint64_t epoch,
                                const std::function<std::vector<int>(const LocalRank&)>& choose) {
  PeerSpec spec = peer_of(folder, 1, epoch);
  CHECK(a.expect_peer(spec).ok());
  HandMadePeer peer(folder, config_of(folder, 1, epoch));
  const std::optional<Frame> welcome = peer.next_frame();
  if (!welcome || welcome->kind != FrameKind::kWelcome) return "no welcome";
  const std::optional<Frame> answer = peer.send_segments(choose(*peer.speaker));
  if (!answer || answer->kind != FrameKind::kRefuse) return "no refusal";
  CHECK(frame_code(*answer) == Code::kCorrupt);
  CHECK(is_code(a.wait_linked(1, epoch, deadline_in(1s)), Code::kCorrupt));
  return frame_text(answer->text, sizeof(answer->text));
}

TEST(xccl_handshake_refuses_foreign_descriptors) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const auto contains = [](const std::string& text, const char* part) {
    if (text.find(part) == std::string::npos) std::printf("got '%s'\n", text.c_str());
    return text.find(part) != std::string::npos;
  };
  const auto memfd = [](uint64_t num_bytes) {
    const int fd = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(ftruncate(fd, static_cast<off_t>(num_bytes)) == 0);
    return FileDescriptor(fd);
  };
  const FileDescriptor small = memfd(4096);
  CHECK(contains(refusal_of_segments(folder, *a, 2,
                                     [&](const LocalRank& p) {
                                       return std::vector<int>{small.get(), p.app().fd(), p.zc().fd()};
                                     }),
                 "bytes instead of"));
  CHECK(contains(refusal_of_segments(folder, *a, 3,
                                     [&](const LocalRank& p) {
                                       return std::vector<int>{p.ctrl().fd(), p.app().fd()};
                                     }),
                 "descriptors instead of 3"));
  const FileDescriptor unsealed = memfd(round_up(100'000, kPageBytes));
  CHECK(contains(refusal_of_segments(folder, *a, 4,
                                     [&](const LocalRank& p) {
                                       return std::vector<int>{p.ctrl().fd(), unsealed.get(), p.zc().fd()};
                                     }),
                 "lacks seals"));
  CHECK(contains(refusal_of_segments(folder, *a, 5,
                                     [&](const LocalRank& p) {
                                       return std::vector<int>{p.ctrl().fd(), p.zc().fd(), p.zc().fd()};
                                     }),
                 "bytes instead of"));
  CHECK(contains(refusal_of_segments(folder, *a, 6,
                                     [&](const LocalRank& p) {
                                       reinterpret_cast<CtrlFixed*>(p.ctrl().data())->header.epoch = 77;
                                       return std::vector<int>{p.ctrl().fd(), p.app().fd(), p.zc().fd()};
                                     }),
                 "own header"));
}

TEST(xccl_handshake_survives_garbage_and_silence) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  Random random(test::seed());
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 20; ++i) {
    FileDescriptor connection;
    REQUIRE(dial(folder.socket(0), &connection).ok());
    Frame frame{};
    for (uint32_t at = 0; at < sizeof(frame); ++at)
      reinterpret_cast<uint8_t*>(&frame)[at] = static_cast<uint8_t>(random.next());
    if (i % 3 == 1) frame.magic = kCtrlMagic;
    if (i % 3 != 0) CHECK(send_frame(connection, frame).ok());
    silent.push_back(std::move(connection));
  }
  const Member b = make_member(config_of(folder, 1));
  CHECK(link_members(folder, *a, *b));
}

// ---- Segments ----

TEST(xccl_segment_app_is_read_only_for_peers_and_none_can_be_resized) {
  Segment own;
  REQUIRE(Segment::create("test", 10'000, SegmentAccess::kPeersRead, &own).ok());
  own.data()[5] = std::byte{42};
  CHECK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own.fd(), 0) == MAP_FAILED);
  CHECK(pwrite(own.fd(), "x", 1, 0) < 0);
  CHECK(ftruncate(own.fd(), 0) != 0);
  Segment seen;
  REQUIRE(Segment::adopt(dup(own.fd()), 10'000, SegmentAccess::kPeersRead, &seen).ok());
  CHECK(seen.data()[5] == std::byte{42} && seen.size() == 10'000);
  own.data()[6] = std::byte{43};
  CHECK(seen.data()[6] == std::byte{43});
}

TEST(xccl_segment_may_be_large_and_costs_what_is_touched) {
  Segment large;
  REQUIRE(Segment::create("test", 1ull << 36, SegmentAccess::kPeersWrite, &large).ok());
  large.data()[(1ull << 36) - 1] = std::byte{1};
  struct stat info {};
  REQUIRE(fstat(large.fd(), &info) == 0);
  CHECK(info.st_blocks * 512 <= 1 << 21);
}

// ---- get ----

TEST(xccl_get_copies_and_checks) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member b = make_member(config_of(folder, 1, 4));
  REQUIRE(link_members(folder, *a, *b));
  Random random(test::seed());
  for (std::byte& value : b->app()) value = static_cast<std::byte>(random.next());
  for (std::byte& value : a->app()) value = static_cast<std::byte>(random.next());
  std::vector<std::byte> got(5'000);
  OpTiming timing;
  CHECK(is_code(a->get(1, 4, 95'000, got, deadline_in(1s), &timing), Code::kOk));
  CHECK(std::memcmp(got.data(), b->app().data() + 95'000, got.size()) == 0 && timing.duration_ns > 0);
  CHECK(is_code(a->get(0, 1, 7, got, deadline_in(1s)), Code::kOk));
  CHECK(std::memcmp(got.data(), a->app().data() + 7, got.size()) == 0);
  CHECK(is_code(a->get(1, 4, 95'001, got, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(is_code(a->get(1, 4, ~0ull, got, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(is_code(a->get(1, 3, 0, got, deadline_in(1s)), Code::kStale));
  CHECK(is_code(a->get(1, 4, 0, got, deadline_in(-1s)), Code::kTimeout));
  CHECK(is_code(a->get(2, 1, 0, got, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(is_code(a->get(99, 1, 0, got, deadline_in(1s)), Code::kInvalidArgument));
  b->close();
  const auto start = std::chrono::steady_clock::now();
  while (a->linked_epoch(1) != 0 && ms_since(start) < 1000) std::this_thread::sleep_for(1ms);
  CHECK(is_code(a->get(1, 4, 0, got, deadline_in(1s)), Code::kPeerDead));
  a->close();
  CHECK(is_code(a->get(1, 4, 0, got, deadline_in(1s)), Code::kClosed));
}

// ---- Re-joining ----

TEST(xccl_rejoin_under_a_higher_epoch) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const uint64_t seed = test::seed();
  const uint32_t dests[] = {1};
  Random random(seed);
  const std::vector<std::byte> rows = random_rows(random, 4, 16);
  for (uint64_t epoch = 2; epoch < 6; ++epoch) {
    const Member e = make_member(config_of(folder, 1, epoch));
    REQUIRE(link_members(folder, *a, *e));
    const ExpertThread expert(e);
    for (uint64_t step = 1; step <= epoch; ++step) {
      const Routing routing = random_routing(random, rows, 16, 4, 3);
      REQUIRE(
          is_code(a->attention()->send(1, message_of(routing, rows, 16, {step, 0, 0}), deadline_in(2s)), Code::kOk));
      REQUIRE(is_code(a->attention()->wait({step, 0, 0}, dests, deadline_in(2s)), Code::kOk));
      REQUIRE(is_expected(a->attention()->view(1, 0), routing, 16));
    }
    e->close();
  }
}

TEST(xccl_rejoin_waits_for_the_old_epoch_to_end) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member old = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *old));
  // The old one still lives: it is told that it was replaced, lets go, and only then the new one is linked.
  const Member fresh = make_member(config_of(folder, 1, 3));
  REQUIRE(link_members(folder, *a, *fresh));
  CHECK(is_code(old->wait_linked(0, 1, deadline_in(1s)), Code::kPeerDead));
  CHECK(a->linked_epoch(1) == 3);
  CHECK(a->forget_peer(1).ok());
  const auto start = std::chrono::steady_clock::now();
  while (fresh->linked_epoch(0) != 0 && ms_since(start) < 1000) std::this_thread::sleep_for(1ms);
  CHECK(fresh->linked_epoch(0) == 0 && a->peers().empty());
}

}  // namespace
