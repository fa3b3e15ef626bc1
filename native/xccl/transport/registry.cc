// The registry of fabrics: a table of names and makers.
#include <string>

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
  std::string known;
  for (const Provider& provider : kProviders) {
    if (name == provider.name) {
      *out = provider.create(memory);
      return {};
    }
    known += known.empty() ? provider.name : std::string(", ") + provider.name;
  }
  return {Code::kInvalidArgument, "unknown fabric '" + std::string(name) + "'; known: " + known};
}

}  // namespace switchyard::xccl
