#include "xccl/group/members.h"

#include <algorithm>
#include <bit>
#include <string>

#include "xccl/link/event_text.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "group: " + text}; }

Status unlinked(const LocalRank& local, uint32_t rank) {
  if (local.is_closing()) return {Code::kClosed, "the communicator is closed"};
  return local.explain_unlinked(rank);
}

Status replaced(uint32_t rank) {
  return {Code::kStale, rank_text(rank) + " was linked again after the group was opened"};
}

}  // namespace

Status MemberLink::publish(uint32_t half, const GroupFieldBody& body, uint64_t seq) const {
  const uint64_t field = own_fields_at_ + offsetof(GroupFields, halves) + half * sizeof(GroupField);
  return fabric().put_with_signal(field + offsetof(GroupField, body), std::as_bytes(std::span(&body, 1)),
                                  {field + offsetof(GroupField, seq), seq, bell_at_});
}

Status MemberLink::announce(uint64_t word) const {
  return fabric().put_with_signal(0, {}, {own_fields_at_ + offsetof(GroupFields, control), word, bell_at_});
}

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
    out->ranks_ |= 1ull << ranks[member];
    out->all_ |= 1ull << member;
    SWITCHYARD_RETURN_IF_ERROR(out->note_link(local, member));
  }
  return {};
}

Status Members::note_link(LocalRank& local, uint32_t member) {
  const LinkRef link = local.peers().acquire(rank(member));
  if (!link) return unlinked(local, rank(member));
  // The handshake lets ranks without groups pair with ranks that have some.
  const CtrlLayout& layout = link.target().layout;
  if (!layout.has_groups()) return {Code::kUnsupported, rank_text(rank(member)) + " has no groups"};
  MemberLink& noted = links_[member];
  noted.entry_ = &local.peers().entry(rank(member));
  noted.serial_ = link.serial();
  noted.base_ = layout.group(spec_.id);
  Fabric& fabric = link.fabric();
  noted.own_fields_at_ = noted.base_ + GroupLayout::fields(rank(self_));
  noted.arrivals_ = reinterpret_cast<const GroupFields*>(local.ctrl().data() + local.layout().group(spec_.id) +
                                                         GroupLayout::fields(rank(member)));
  noted.bell_at_ = CtrlLayout::bell(bell_of_group(spec_.id));
  // What lies in this rank's own segment needs no fabric: `self` maps nothing.
  const auto at = [&](uint64_t offset, uint64_t num_bytes) {
    return member == self_ ? local.ctrl().data() + offset : fabric.map(Area::kCtrl, offset, num_bytes);
  };
  std::byte* fields = at(noted.own_fields_at_, sizeof(GroupFields));
  std::byte* bell = at(noted.bell_at_, sizeof(Doorbell));
  if (fields && bell) {
    noted.own_fields_ = reinterpret_cast<GroupFields*>(fields);
    noted.bell_ = reinterpret_cast<Doorbell*>(bell);
  }
  return {};
}

void Members::note_cores(CoreMask own) {
  const uint64_t at = offsetof(CtrlFixed, progress) + offsetof(ProgressLine, cores);
  uint64_t elsewhere = 0;
  for (uint32_t member = 0; member < size(); ++member) {
    CoreMask cores = 0;
    if (!links_[member].fabric().get(Area::kCtrl, at, std::as_writable_bytes(std::span(&cores, 1))).ok()) continue;
    if (cores != 0 && own != 0 && (cores & own) == 0) elsewhere |= 1ull << member;
  }
  elsewhere_ = elsewhere;
}

Status Members::hold(LocalRank& local) {
  local.peers().hold_for_group(spec_.id, ranks_);
  const uint64_t num_retracted = local.peers().num_retracted();
  if (num_retracted == num_retracted_) [[likely]] {
    held_ = all_;
    return {};
  }
  SWITCHYARD_RETURN_IF_ERROR(hold_each(local));
  num_retracted_ = num_retracted;
  return {};
}

Status Members::hold_each(LocalRank& local) {
  held_ = 0;
  for (uint32_t member = 0; member < size(); ++member) held_ |= uint64_t{links_[member].is_live()} << member;
  if (held_ == 0) local.peers().release_from_group(spec_.id);
  if (held_ == all_) return {};
  const auto missing = static_cast<uint32_t>(std::countr_one(held_));
  const bool is_replaced = links_[missing].entry_->live_serial.load(std::memory_order_seq_cst) != 0;
  return is_replaced ? replaced(rank(missing)) : unlinked(local, rank(missing));
}

void Members::ring() const {
  doorbell_barrier();
  for (uint32_t member = 0; member < size(); ++member) {
    if (links_[member].bell_) doorbell_ring(*links_[member].bell_);
  }
}

void Members::let_go(LocalRank& local) {
  if (held_ != 0) local.peers().release_from_group(spec_.id);
  held_ = 0;
}

}  // namespace switchyard::xccl
