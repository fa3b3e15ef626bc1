#include "xccl/p2p/pull_mode.h"

#include "base/find_by_name.h"

namespace switchyard::xccl {
namespace {

struct ModeRow {
  const char* name;
  PullMode mode;
};

constexpr ModeRow kModes[] = {{"auto", PullMode::kAuto}, {"always", PullMode::kAlways}, {"off", PullMode::kOff}};

}  // namespace

Status pull_mode_from_name(std::string_view name, PullMode* out) {
  const ModeRow* row = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(find_by_name(kModes, "way of large messages", name, &row));
  *out = row->mode;
  return {};
}

}  // namespace switchyard::xccl
