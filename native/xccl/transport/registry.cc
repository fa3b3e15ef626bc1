// The registry of fabrics: a table of names and makers.
#include "base/find_by_name.h"
#include "xccl/transport/providers.h"

namespace switchyard::xccl {
namespace {

struct Provider {
  const char* name;
  std::unique_ptr<Fabric> (*create)(const TargetMemory& memory);
};

constexpr Provider kProviders[] = {{"self", self_fabric_create}, {"shm", shm_fabric_create}};

}  // namespace

Status fabric_create(std::string_view name, const TargetMemory& memory, std::unique_ptr<Fabric>* out) {
  const Provider* row = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(find_by_name(kProviders, "fabric", name, &row));
  *out = row->create(memory);
  return {};
}

}  // namespace switchyard::xccl
