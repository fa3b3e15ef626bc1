// `self`: the loopback fabric, a rank's link to itself. The shortest complete fabric: read it first.
#include "xccl/transport/mapped_memory.h"
#include "xccl/transport/providers.h"

namespace switchyard::xccl {
namespace {

class SelfFabric final : public Fabric {
 public:
  explicit SelfFabric(const TargetMemory& own) : own_(own) {}
  const char* name() const override { return "self"; }

  Status put(Area area, uint64_t offset, std::span<const std::byte> src) override {
    return own_.put(area, offset, src);
  }
  Status get(Area area, uint64_t offset, std::span<std::byte> dst) override { return own_.get(area, offset, dst); }

  Status put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) override {
    return own_.put_with_signal(offset, src, signal);
  }

  Status fence() override {
    memory_order_point();
    return {};
  }

 private:
  MappedMemory own_;
};

}  // namespace

std::unique_ptr<Fabric> self_fabric_create(const TargetMemory& own) { return std::make_unique<SelfFabric>(own); }

}  // namespace switchyard::xccl
