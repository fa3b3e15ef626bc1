#include "xccl/wait/core_choice.h"

#include <algorithm>

namespace switchyard::xccl {
namespace {

const CoreLoad* find_load(std::span<const CoreLoad> loads, uint32_t core) {
  const auto found = std::ranges::find(loads, core, &CoreLoad::core);
  return found == loads.end() ? nullptr : &*found;
}

}  // namespace

uint32_t CoreChoice::next(std::span<const CoreLoad> loads) {
  const CoreLoad* here = find_load(loads, core_);
  const CoreLoad* home = find_load(loads, home_);
  num_held_ = here && here->is_held() ? num_held_ + 1 : 0;
  num_free_ = core_ != home_ && home && home->is_free() ? num_free_ + 1 : 0;
  if (num_free_ >= kNumFreeWindows) return home_;
  if (num_held_ < kNumHeldWindows) return core_;
  const CoreLoad* refuge = find_refuge(loads);
  return refuge ? refuge->core : core_;
}

void CoreChoice::note_move(uint32_t core) {
  core_ = core;
  num_held_ = 0;
  num_free_ = 0;
}

const CoreLoad* CoreChoice::find_refuge(std::span<const CoreLoad> loads) const {
  const CoreLoad* best = nullptr;
  for (const CoreLoad& load : loads) {
    if (load.core == core_ || !load.is_free() || (load.num_ranks > 0 && !may_share_)) continue;
    if (!best || load.num_ranks < best->num_ranks) best = &load;
  }
  return best;
}

}  // namespace switchyard::xccl
