// The members of one group as links: taken at the start of a call and let go at its end, and refused when a link is not the one
// that the group was opened with. Used by Rounds alone.
#pragma once

#include <array>

#include "xccl/group.h"
#include "xccl/link/local_rank.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {

/// The link to one member: one line, for each call reads those of all. What it leads to may be used while it is held.
class alignas(kLineBytes) MemberLink {
 public:
  uint64_t serial() const { return serial_; }
  Fabric& fabric() const { return *entry_->target.fabric; }
  /// False once the broker has retracted the link; the memory stays mapped while it is held.
  bool is_live() const { return entry_->live_serial.load(std::memory_order_seq_cst) == serial_; }
  /// Where the group's part of the member's control segment begins.
  uint64_t base() const { return base_; }

  /// The field there for what this rank contributes for the member, where the fabric can map it, else null: whoever publishes
  /// into it rings (Members::ring).
  GroupField* field(uint32_t half) const { return own_fields_ ? &own_fields_->halves[half] : nullptr; }
  /// The same where it cannot: puts the body, then the sequence word, and rings.
  Status publish(uint32_t half, const GroupFieldBody& body, uint64_t seq) const;
  /// Puts this rank's control word there, and rings.
  Status announce(uint64_t word) const;

  /// What the member has put into this rank's own segment.
  const GroupField& arrived(uint32_t half) const { return arrivals_->halves[half]; }
  const GroupControl& control() const { return arrivals_->control; }

 private:
  friend class Members;
  PeerEntry* entry_ = nullptr;
  uint64_t serial_ = 0;
  uint64_t base_ = 0;
  // This rank's fields and the group's bell in the member's segment: offsets, and where the fabric can map them (else both null).
  uint64_t own_fields_at_ = 0;
  uint64_t bell_at_ = 0;
  GroupFields* own_fields_ = nullptr;
  Doorbell* bell_ = nullptr;
  const GroupFields* arrivals_ = nullptr;
};
static_assert(sizeof(MemberLink) == kLineBytes);

class Members {
 public:
  /// Checks the spec (InvalidArgument), and that every member is linked and has the same groups (Unsupported).
  static Status open(LocalRank& local, GroupSpec spec, Members* out);

  const GroupSpec& spec() const { return spec_; }
  uint32_t size() const { return static_cast<uint32_t>(spec_.ranks.size()); }
  uint32_t self() const { return self_; }
  uint32_t rank(uint32_t member) const { return spec_.ranks[member]; }
  const MemberLink& link(uint32_t member) const { return links_[member]; }

  /// Takes all links. PeerDead and the like when one is gone; Stale when the rank was linked again since. The others are held then
  /// too: a call that cannot begin still has to tell them.
  Status hold(LocalRank& local);
  void let_go(LocalRank& local);
  bool is_held(uint32_t member) const { return (held_ >> member & 1) != 0; }

  /// After this rank has published into all mapped fields of a round: wakes the members that sleep.
  void ring() const;

  /// Bit a member: it runs on cores that this rank does not run on, so it goes on while this rank looks for it.
  uint64_t elsewhere() const { return elsewhere_; }
  /// Asks all members where they run now; they are held. `own`: where this rank runs. A member that says nothing true is waited for in
  /// a bad way, no more.
  void note_cores(CoreMask own);

 private:
  [[gnu::noinline]] Status hold_each(LocalRank& local);
  static Status check_spec(const LocalRank& local, const GroupSpec& spec);
  Status note_link(LocalRank& local, uint32_t member);

  GroupSpec spec_;
  uint32_t self_ = 0;
  uint64_t ranks_ = 0;      // a bit a rank
  uint64_t elsewhere_ = 0;  // a bit a member
  uint64_t all_ = 0;        // a bit a member
  uint64_t held_ = 0;       // a bit a member
  // Links of this rank that had ended when all members' were last seen live; at first no such number.
  uint64_t num_retracted_ = ~0ull;
  std::array<MemberLink, kNumRanksMax> links_;
};

}  // namespace switchyard::xccl
