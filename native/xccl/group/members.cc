#include "xccl/group/members.h"

#include <algorithm>
#include <string>

#include "xccl/link/event_text.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "group: " + text}; }

Status unlinked(const LocalRank& local, uint32_t rank) {
  if (local.is_closing()) return {Code::kClosed, "the communicator is closed"};
  return local.explain_unlinked(rank);
}

}  // namespace

Status Members::check_spec(const LocalRank& local, const GroupSpec& spec) {
  const uint32_t num_groups = local.layout().shapes.group.num_groups;
  if (spec.id >= num_groups)
    return invalid("id " + std::to_string(spec.id) + " is not below num_groups (" + std::to_string(num_groups) + ")");
  if (spec.generation == 0 || spec.generation > kGroupGenerationMax)
    return invalid("generation: 1 to " + std::to_string(kGroupGenerationMax));
  if (spec.ranks.empty()) return invalid("no members");
  if (spec.ranks.back() >= local.config().max_ranks) return invalid("ranks must be below max_ranks");
  if (!std::ranges::is_sorted(spec.ranks, std::ranges::less_equal{}))
    return invalid("ranks must ascend, each named once");
  if (!std::ranges::binary_search(spec.ranks, local.config().rank)) return invalid("this rank is not a member");
  return {};
}

Status Members::open(LocalRank& local, GroupSpec spec, Members* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_spec(local, spec));
  out->spec_ = std::move(spec);
  const auto& ranks = out->spec_.ranks;
  out->self_ = static_cast<uint32_t>(std::ranges::find(ranks, local.config().rank) - ranks.begin());
  for (uint32_t member = 0; member < ranks.size(); ++member) {
    const LinkRef link = local.peers().acquire(ranks[member]);
    if (!link) return unlinked(local, ranks[member]);
    // The handshake lets ranks without groups pair with ranks that have some.
    if (!link.target().layout.has_groups()) return {Code::kUnsupported, rank_text(ranks[member]) + " has no groups"};
    out->serials_[member] = link.serial();
    SWITCHYARD_RETURN_IF_ERROR(out->note_cores(member, link, local.cores()));
    const uint64_t fields = link.target().layout.group(out->spec_.id) + GroupLayout::fields(local.config().rank);
    out->own_fields_[member] = link.fabric().map(Area::kCtrl, fields, sizeof(GroupFields));
  }
  return {};
}

Status Members::note_cores(uint32_t member, const LinkRef& link, CoreMask own) {
  CoreMask cores = 0;
  const uint64_t at = offsetof(CtrlFixed, progress) + offsetof(ProgressLine, cores);
  SWITCHYARD_RETURN_IF_ERROR(link.fabric().get(Area::kCtrl, at, std::as_writable_bytes(std::span(&cores, 1))));
  if (cores != 0 && own != 0 && (cores & own) == 0) elsewhere_ |= 1ull << member;
  return {};
}

Status Members::hold(LocalRank& local) {
  for (uint32_t member = 0; member < size(); ++member) {
    links_[member] = local.peers().acquire(rank(member));
    if (!links_[member]) return unlinked(local, rank(member));
    if (links_[member].serial() != serials_[member])
      return {Code::kStale, rank_text(rank(member)) + " was linked again after the group was opened"};
  }
  return {};
}

void Members::let_go() {
  for (uint32_t member = 0; member < size(); ++member) links_[member].release();
}

}  // namespace switchyard::xccl
