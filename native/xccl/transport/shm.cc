// `shm`: a peer process on this machine whose memfds are mapped here. Puts and gets are copies, signals seq_cst exchanges.
// No copy here leaves non-temporal stores behind, so a signal orders all of them.
#include "xccl/transport/mapped_memory.h"
#include "xccl/transport/providers.h"

namespace switchyard::xccl {
namespace {

class ShmFabric final : public Fabric {
 public:
  explicit ShmFabric(const TargetMemory& peer) : peer_(peer) {}
  const char* name() const override { return "shm"; }

  Status put(Area area, uint64_t offset, std::span<const std::byte> src) override {
    return peer_.put(area, offset, src);
  }
  Status get(Area area, uint64_t offset, std::span<std::byte> dst) override { return peer_.get(area, offset, dst); }

  Status put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) override {
    return peer_.put_with_signal(offset, src, signal);
  }

  Status fence() override {
    memory_order_point();
    return {};
  }

  std::byte* map(Area area, uint64_t offset, uint64_t num_bytes) override { return peer_.at(area, offset, num_bytes); }

 private:
  MappedMemory peer_;
};

}  // namespace

std::unique_ptr<Fabric> shm_fabric_create(const TargetMemory& peer) { return std::make_unique<ShmFabric>(peer); }

}  // namespace switchyard::xccl
