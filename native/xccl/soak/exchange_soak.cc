// A2E and E2A with random routings to random subsets of the ranks, two micro-batches in flight; some waits are given up.
#include "xccl/exchange_support.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

using testing::Routing;

constexpr uint32_t kNumTokens = 8;
constexpr uint32_t kNumExperts = 6;
constexpr uint32_t kAbandonOneIn = 16;

/// One event on its way to some ranks.
struct Flight {
  bool is_out = false;
  EventId event;
  uint32_t row_bytes = 0;
  std::vector<std::byte> rows;
  std::vector<uint32_t> dests;
  std::vector<uint64_t> epochs;  // [dest]
  std::vector<Routing> routings;
};

class ExchangeTraffic final : public Traffic {
 public:
  ExchangeTraffic(Actor& actor, uint32_t kind) : actor_(actor), kind_(kind), random_(actor.seed_of(kind)) {}

  void step() override {
    const uint32_t micro_batch = random_.below(kNumMicroBatches);
    Flight& flight = flights_[micro_batch];
    if (!flight.is_out) return launch(flight, micro_batch);
    if (random_.below(kAbandonOneIn) == 0) {
      flight.is_out = false;
    } else {
      land(flight);
    }
  }

  bool settle() override {
    for (Flight& flight : flights_) {
      if (flight.is_out) land(flight);
    }
    return true;
  }

 private:
  void launch(Flight& flight, uint32_t micro_batch) {
    flight = Flight{};
    flight.event = {++num_steps_, static_cast<uint16_t>(random_.below(60)), static_cast<uint8_t>(micro_batch)};
    flight.row_bytes = 1 + random_.below(testing::kShape.row_bytes);
    flight.rows = testing::random_rows(random_, kNumTokens, flight.row_bytes);
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      if (random_.below(2) == 0) send(flight, rank);
    }
    flight.is_out = !flight.dests.empty();
  }

  void send(Flight& flight, uint32_t dest) {
    const uint64_t epoch = actor_.epoch_of(dest);
    if (epoch == 0) return;
    Routing routing =
        testing::random_routing(random_, flight.rows, flight.row_bytes, random_.below(kNumTokens + 1), kNumExperts);
    A2eMessage message = testing::message_of(routing, flight.rows, flight.row_bytes, flight.event);
    message.active_mask = ~uint64_t{0};
    const int64_t start_ns = now_ns();
    const Status status = actor_.member().attention()->send(dest, message, deadline_in(kPatience));
    if (!status.ok()) return actor_.refused(kind_, status, dest, epoch, start_ns);
    flight.dests.push_back(dest);
    flight.epochs.push_back(epoch);
    flight.routings.push_back(std::move(routing));
  }

  void land(Flight& flight) {
    flight.is_out = false;
    const int64_t start_ns = now_ns();
    WaitReport report;
    const Status status =
        actor_.member().attention()->wait(flight.event, flight.dests, deadline_in(kPatience), &report);
    if (!status.ok()) return blame(flight, status, report.failed_rank, start_ns);
    for (size_t i = 0; i < flight.dests.size(); ++i) {
      const E2aView view = actor_.member().attention()->view(flight.dests[i], flight.event.micro_batch);
      if (testing::is_expected(view, flight.routings[i], flight.row_bytes)) {
        actor_.passed(kind_, flight.dests[i], flight.epochs[i]);
      } else {
        actor_.fail("E2A of rank " + std::to_string(flight.dests[i]) + ": wrong bytes");
      }
    }
  }

  void blame(const Flight& flight, const Status& status, int32_t failed_rank, int64_t start_ns) {
    for (size_t i = 0; i < flight.dests.size(); ++i) {
      if (static_cast<int32_t>(flight.dests[i]) == failed_rank)
        return actor_.refused(kind_, status, flight.dests[i], flight.epochs[i], start_ns);
    }
    actor_.fail("E2A wait blames rank " + std::to_string(failed_rank) + ": " + status.message());
  }

  Actor& actor_;
  const uint32_t kind_;
  Random random_;
  uint64_t num_steps_ = 0;
  Flight flights_[kNumMicroBatches];
};

}  // namespace

std::unique_ptr<Traffic> make_exchange_traffic(Actor& actor, uint32_t kind) {
  return std::make_unique<ExchangeTraffic>(actor, kind);
}

}  // namespace switchyard::xccl::soak
