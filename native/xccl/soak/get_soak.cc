// Gets of random length from a random peer's app area, which holds what its epoch says.
#include "xccl/soak/pattern.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

class GetTraffic final : public Traffic {
 public:
  GetTraffic(Actor& actor, uint32_t kind) : actor_(actor), kind_(kind), random_(actor.seed_of(kind)) {}

  void step() override {
    const uint32_t peer = random_.below(actor_.num_ranks());
    const uint64_t epoch = actor_.epoch_of(peer);
    if (epoch == 0) return;
    const uint64_t app_bytes = actor_.member().app().size();
    const bool is_long = random_.below(20) == 0;
    const uint64_t num_bytes = random_.below(static_cast<uint32_t>(is_long ? app_bytes : 16'384)) + 1;
    const uint64_t offset = random_.below(static_cast<uint32_t>(app_bytes - num_bytes + 1));
    bytes_.resize(num_bytes);
    const int64_t start_ns = now_ns();
    const Status status = actor_.member().get(peer, epoch, offset, bytes_, deadline_in(kPatience));
    if (!status.ok()) return actor_.refused(kind_, status, peer, epoch, start_ns);
    if (is_pattern(bytes_, offset, peer, epoch)) return actor_.passed(kind_, peer, epoch);
    actor_.fail("get of [" + std::to_string(offset) + ", +" + std::to_string(num_bytes) + ") from rank " +
                std::to_string(peer) + " epoch " + std::to_string(epoch) + ": wrong bytes");
  }

 private:
  Actor& actor_;
  const uint32_t kind_;
  Random random_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::unique_ptr<Traffic> make_get_traffic(Actor& actor, uint32_t kind) {
  return std::make_unique<GetTraffic>(actor, kind);
}

}  // namespace switchyard::xccl::soak
