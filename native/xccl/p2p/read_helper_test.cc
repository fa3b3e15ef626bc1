// Reads that a helping thread shares: how parts are claimed, what ends a read early, which regions are sent with the sender's core free,
// and that what is received is whole. (Offers that are shared are in pull_test.cc.)
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "xccl/own_rank_support.h"
#include "xccl/p2p/ends_support.h"
#include "xccl/p2p/messenger_impl.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;
using Provider = Ends::Provider;
using End = PartClaims::End;

// ---- Claims ----

TEST(xccl_p2p_part_claims_are_made_from_both_ends) {
  PartClaims claims;
  uint32_t part = 0;
  CHECK(!claims.is_any_left() && !claims.claim(End::kFront, &part) && !claims.claim(End::kBack, &part));
  claims.begin(4);
  CHECK(claims.claim(End::kFront, &part) && part == 0);
  CHECK(claims.claim(End::kBack, &part) && part == 3);
  CHECK(claims.claim(End::kBack, &part) && part == 2);
  CHECK(claims.claim(End::kFront, &part) && part == 1);
  CHECK(!claims.is_any_left() && !claims.claim(End::kFront, &part) && !claims.claim(End::kBack, &part));
  for (int i = 0; i < 4; ++i) {
    CHECK(!claims.are_done());
    claims.count_done();
  }
  CHECK(claims.are_done());
  // What is claimed is awaited, what is not is no longer to be had.
  claims.begin(3);
  CHECK(claims.claim(End::kBack, &part) && part == 2);
  claims.withdraw();
  CHECK(!claims.claim(End::kFront, &part) && !claims.are_done());
  claims.count_done();
  CHECK(claims.are_done());
}

TEST(xccl_p2p_part_claims_of_two_threads_are_each_made_once) {
  constexpr uint32_t kNumParts = 2000;
  PartClaims claims;
  for (int round = 0; round < 20; ++round) {
    std::vector<int> num_claims(kNumParts, 0);
    claims.begin(kNumParts);
    const auto take_all = [&](End end) {
      for (uint32_t part = 0; claims.claim(end, &part); claims.count_done()) num_claims[part] += 1;
    };
    std::thread other([&] { take_all(End::kBack); });
    take_all(End::kFront);
    while (!claims.are_done()) std::this_thread::yield();
    CHECK(std::all_of(num_claims.begin(), num_claims.end(), [](int count) { return count == 1; }));
    other.join();
  }
}

// ---- The helper alone ----

/// A rank that is linked to itself, with regions in its app area.
struct OwnRank {
  explicit OwnRank(uint64_t app_bytes) {
    CommunicatorConfig config;
    config.ring = kRing;
    config.app_bytes = app_bytes;
    pull_always(config);
    local = make_own_rank(config);
  }
  LinkRef link() const { return local->peers().acquire(0); }
  MappedSource source() const { return {local->app().data(), CopyPath::kCached}; }

  std::unique_ptr<LocalRank> local;
};

TEST(xccl_p2p_read_helper_stopped_at_any_moment_leaves_a_whole_read) {
  constexpr size_t kBytes = (8 << 20) + 77;
  const OwnRank rank(kBytes);
  const Bytes sent = message_bytes(test::seed(), kBytes);
  std::memcpy(rank.local->app().data(), sent.data(), kBytes);
  Random random(test::seed());
  for (int round = 0; round < 10; ++round) {
    ReadHelper helper(*rank.local);
    Bytes into(kBytes);
    const auto pause = std::chrono::microseconds(random.below(1500));
    std::thread stopper([&] {
      std::this_thread::sleep_for(pause);
      helper.stop();
    });
    CHECK(helper.read(rank.link(), rank.source(), into) && into == sent);
    stopper.join();
    std::fill(into.begin(), into.end(), std::byte{});
    CHECK(helper.read(rank.link(), rank.source(), into) && into == sent);
  }
}

TEST(xccl_p2p_read_helper_gives_up_when_the_link_has_ended) {
  constexpr size_t kBytes = 64 << 20;
  const OwnRank rank(kBytes);
  ReadHelper helper(*rank.local);
  const LinkRef link = rank.link();
  rank.local->peers().retract(0);
  Bytes into(kBytes, std::byte{0xee});
  CHECK(!helper.read(link, rank.source(), into));
  // The helping thread may have had some parts, from the end; nobody reads any more.
  CHECK(into.front() == std::byte{0xee});
  const Bytes left = into;
  std::this_thread::sleep_for(20ms);
  CHECK(into == left);
}

// ---- Regions ----

/// Is the sender's core free for a region of `num_bytes`? Looks into the ring, then receives it.
bool is_core_free(uint64_t num_bytes, bool is_awaited, bool is_crowded) {
  OwnRank rank(num_bytes);
  rank.local->set_crowded(is_crowded);
  MessengerImpl messenger(*rank.local);
  Region region;
  CHECK(messenger.register_region(RegionArea::kApp, 0, num_bytes, &region).ok());
  std::byte* ring = rank.local->ctrl().data() + rank.local->layout().ring(0);
  const auto& field = *reinterpret_cast<const RingField*>(ring + RingLayout::field(0));
  OperationId id;
  std::thread sender;
  if (is_awaited) {
    sender = std::thread([&] { CHECK(messenger.send_zero_copy(0, 1, region, deadline_in(5s), nullptr).ok()); });
  } else {
    CHECK(messenger.send_zero_copy_async(0, 1, region, 0, &id).ok());
  }
  while (field.seq.load() != 1) std::this_thread::yield();
  const RingHead head{field.body.head};
  CHECK(head.kind() == RingKind::kRegion && head.area() == static_cast<uint32_t>(RegionArea::kApp));
  Bytes into(num_bytes);
  CHECK(is_code(messenger.recv(0, 1, into, nullptr, deadline_in(5s), nullptr), Code::kOk));
  if (sender.joinable()) sender.join();
  messenger.close();
  return head.is_core_free();
}

TEST(xccl_p2p_region_frees_the_core_of_who_waits_for_a_large_one) {
  CHECK(is_core_free(kHelpedBytesMin, true, false));
  CHECK(!is_core_free(kHelpedBytesMin - 1, true, false));
  CHECK(!is_core_free(kHelpedBytesMin, false, false));
  CHECK(!is_core_free(kHelpedBytesMin, true, true));
}

uint32_t num_helpers() {
  uint32_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    count += std::getline(file, name) && name == "xccl-read";
  }
  return count;
}

/// Sends regions from the app area; returns how many helping threads there are then.
uint32_t helpers_after_regions(Provider provider, size_t num_bytes, uint32_t num_copy_threads) {
  const Ends ends(provider, kRing, [=](CommunicatorConfig& config) {
    pull_always(config);
    config.app_bytes = num_bytes;
    config.num_copy_threads = num_copy_threads;
  });
  const uint32_t num_before = num_helpers();
  Region region;
  CHECK(ends.a().register_region(RegionArea::kApp, 0, num_bytes, &region).ok());
  for (uint32_t event = 1; event <= 4; ++event) {
    const Bytes sent = message_bytes(test::seed() + event, num_bytes);
    std::memcpy(ends.a_member->app().data(), sent.data(), num_bytes);
    std::thread sender(
        [&] { CHECK(is_code(ends.a().send_zero_copy(ends.b_rank(), event, region, deadline_in(10s)), Code::kOk)); });
    // Now and then the receiver comes late.
    if (event % 2 == 0) std::this_thread::sleep_for(2ms);
    CHECK(receives(ends.b(), ends.a_rank(), event, sent, 10s));
    sender.join();
  }
  return num_helpers() - num_before;
}

TEST(xccl_p2p_region_of_large_size_is_read_by_two_threads) {
  CHECK(helpers_after_regions(Provider::kShm, kHelpedBytesMin, 1) == 1);
  CHECK(helpers_after_regions(Provider::kShm, (3 << 20) + 5, 1) == 1);
  CHECK(helpers_after_regions(Provider::kShm, kHelpedBytesMin - 1, 1) == 0);
  // The copy threads have it, or the fabric does not map.
  CHECK(helpers_after_regions(Provider::kShm, (3 << 20) + 5, 2) == 0);
  CHECK(helpers_after_regions(Provider::kSelf, (3 << 20) + 5, 1) == 0);
}

TEST(xccl_p2p_region_faults_sender_killed_at_random_points) {
  constexpr size_t kBytes = 2 << 20;
  Random random(test::seed());
  for (int round = 0; round < 6; ++round) {
    const Folder folder;
    const auto config_of_rank = [&](uint32_t rank) {
      CommunicatorConfig config = ring_config(folder, rank);
      config.app_bytes = kBytes;
      pull_always(config);
      return config;
    };
    {
      ForkedPeer victim([&] {
        const Member member = make_member(config_of_rank(1));
        (void)member->expect_peer(peer_of(folder, 0));
        (void)member->wait_linked(0, 1, deadline_in(5s));
        Region region;
        (void)member->messenger()->register_region(RegionArea::kApp, 0, kBytes, &region);
        for (uint32_t i = 1;; ++i) {
          std::fill(member->app().begin(), member->app().end(), static_cast<std::byte>(i));
          (void)member->messenger()->send_zero_copy(0, i, region, deadline_in(60s));
        }
      });
      const Member member = make_member(config_of_rank(0));
      CHECK(member->expect_peer(peer_of(folder, 1)).ok());
      CHECK(is_code(member->wait_linked(1, 1, deadline_in(5s)), Code::kOk));
      std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(random.below(20'000)));
        victim.signal(SIGKILL);
      });
      Bytes into(kBytes);
      Status status;
      double last_ms = 0;
      for (uint32_t i = 1; status.ok(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        status = member->messenger()->recv(1, i, into, nullptr, deadline_in(5s));
        last_ms = ms_since(start);
        if (status.ok()) CHECK(std::count(into.begin(), into.end(), static_cast<std::byte>(i)) == kBytes);
      }
      CHECK(is_code(status, Code::kPeerDead) && last_ms < 1000);
      killer.join();
    }
    unlink(folder.socket(1).c_str());
  }
}

}  // namespace
