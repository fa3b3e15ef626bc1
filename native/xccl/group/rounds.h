// Rounds: the engine under all operations of a group. In a round each member publishes one contribution for each member, and
// takes each member's contribution for itself. Used by the operations (fence, all_to_all, collectives, dispatch), which decide
// what is contributed; the engine decides when memory may be used again, and finds the faults (docs/xccl.md, "Groups").
//
// An operation:   return rounds.call({Operation::kX, event, agreed}, deadline, [&]() -> Status {
//                   ... write into rounds.half() ...
//                   SWITCHYARD_RETURN_IF_ERROR(rounds.publish(outgoing));            // one Outgoing a member
//                   return rounds.take_each([&](const Arrival& arrival) -> Status {  // in order of arrival
//                     return rounds.pull(arrival, 0, into);
//                   });
//                 });                                                                // any number of rounds in a call
// Own arguments are checked before call(): whatever fails inside breaks the group.
#pragma once

#include <array>
#include <bit>
#include <memory>
#include <span>
#include <string>

#include "base/prefetch.h"

#include "xccl/group/contribution.h"
#include "xccl/group/generations.h"
#include "xccl/group/members.h"
#include "xccl/layout/group_layout.h"
#include "xccl/link/local_rank.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {

/// The first member at or after `start`, round the circle, of a set that is not empty: members begin with different peers.
inline uint32_t first_from(uint64_t members, uint32_t start) {
  const uint64_t behind = members & (~0ull << start);
  return static_cast<uint32_t>(std::countr_zero(behind != 0 ? behind : members));
}

class Rounds {
 public:
  /// Makes the group known to its members; waits for nobody. InvalidArgument, Unsupported, Stale (the id was opened with this
  /// generation or a higher one), or why a member is not linked.
  static Status open(LocalRank& local, GroupGenerations& generations, GroupSpec spec, std::unique_ptr<Rounds>* out);
  Rounds(const Rounds&) = delete;

  const GroupSpec& spec() const { return members_.spec(); }
  uint32_t size() const { return members_.size(); }
  uint32_t self() const { return members_.self(); }
  uint32_t rank(uint32_t member) const { return members_.rank(member); }
  LocalRank& local() { return local_; }

  /// Runs a call: holds the links, meets the members if it is the first call, runs `body() -> Status`. A failure breaks the group.
  template <class Body>
  Status call(const CallTag& tag, Deadline deadline, Body&& body) {
    const CallName name{primitive_of(tag.operation), kAllPeers, {tag.event}};
    return count_call(local_.recorder(), name, [&](CallScope* scope) {
      scope_ = scope;
      Status status = enter(tag, deadline);
      if (status.ok()) status = body();
      return leave(std::move(status));
    });
  }

  // ---- Inside a call ----

  /// This rank's managed memory of the next round, free to be written until publish(): max_ranks partitions. Partition m is
  /// the m-th member's by convention only.
  std::span<std::byte> half();
  uint64_t partition_bytes() const { return layout_.shape.partition_bytes; }
  uint64_t partition(uint32_t member) const { return member * partition_bytes(); }

  /// A contribution that peers pull straight from where it lies. False when `bytes` is not inside app() or zc(). It may be
  /// changed only when the next round after its own has been taken in full.
  bool zero_copy(std::span<const std::byte> bytes, uint64_t detail, Outgoing* out) const {
    for (const GroupSource source : {GroupSource::kApp, GroupSource::kZc}) {
      const std::span<const std::byte> area = source == GroupSource::kApp ? local_.app().span() : local_.zc().span();
      if (bytes.data() < area.data() || bytes.data() + bytes.size() > area.data() + area.size()) continue;
      *out = {source, static_cast<uint64_t>(bytes.data() - area.data()), bytes.size(), nullptr, detail};
      return true;
    }
    return false;
  }

  /// Begins a round: one contribution for each member, this rank included. The last round must have been taken in full.
  Status publish(std::span<const Outgoing> outgoing);
  /// The same with compose(member) -> Outgoing, called once for each member and published at once.
  template <class Compose>
  Status publish_each(Compose&& compose);

  /// Between publish and take, of bytes that fill the caches: yields until all members on this rank's cores have published, once at
  /// least. Then each takes all in one turn, who published first before the others; and who takes last is the first to publish the next
  /// round, so it finds in the caches what it has just used.
  void let_neighbours_publish();

  /// take(const Arrival&) -> Status for each member's contribution, as they arrive. Every round must be taken in full: only then
  /// have all members published it.
  template <class Take>
  Status take_each(Take&& take);

  /// Copies [offset, offset + dst.size()) of a contribution. Corrupt when it is not that large.
  Status pull(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst) {
    if (dst.size() > arrival.num_bytes || offset > arrival.num_bytes - dst.size()) [[unlikely]]
      return too_short(arrival, offset, dst.size());
    if (arrival.source != GroupSource::kInline || offset != 0) return pull_rest(arrival, offset, dst);
    store_payload(dst.data(), arrival.payload, dst.size());
    return {};
  }
  /// Other bytes of a member that its contribution names, to be pulled or mapped like it. Corrupt when they cannot lie there.
  Status region(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes, Arrival* out);
  /// The whole contribution where it lies, or null when the fabric cannot map it. Another process's memory: opaque bytes only.
  /// Valid until the next publish(); small contributions lie in `arrival` itself.
  const std::byte* map(const Arrival& arrival);
  /// A fault of what a member contributed, for the operation's own checks: ends its link.
  [[gnu::cold]] Status corrupt(uint32_t member, const std::string& text);
  /// A Mismatch that names the member, for the operation's own checks.
  [[gnu::cold]] Status mismatch(uint32_t member, const std::string& text) const;

 private:
  Rounds(LocalRank& local, GroupGenerations& generations);

  Status enter(const CallTag& tag, Deadline deadline);
  Status leave(Status status);
  Status meet();
  void announce(Code code);
  Status publish_to(const MemberLink& link, uint32_t half, uint64_t seq, const Outgoing& outgoing);

  template <class Look>
  Status wait_for(Look&& look);
  Status wait_for_arrivals(uint64_t* arrived);
  uint64_t yield_once();
  uint64_t look_elsewhere();
  uint64_t look() const;
  uint64_t find_arrivals(uint64_t members) const;
  Status find_fault();
  Status judge_seq(uint32_t member, uint64_t seq);
  Status judge_control(uint32_t member, uint64_t word, bool is_met);
  Status read(uint32_t member, uint32_t half, Arrival* out);
  bool is_possible(GroupSource source, uint64_t offset, uint64_t num_bytes) const;
  const std::byte* map_own(const Arrival& arrival);
  Status pull_rest(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst);
  Status pull_piece(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst);

  // Cold: so the texts are built apart from the code that every call runs.
  [[gnu::cold]] Status misused(const std::string& text) const;
  [[gnu::cold]] Status opened_again() const;
  [[gnu::cold]] Status impossible(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes);
  [[gnu::cold]] Status too_short(const Arrival& arrival, uint64_t offset, uint64_t num_bytes);
  [[gnu::cold]] Status other_call(uint32_t member, const GroupFieldBody& body) const;
  [[gnu::cold]] Status timed_out() const;
  [[gnu::cold]] Status unlinked(uint32_t member) const;
  [[gnu::cold]] Status error(Code code, uint32_t member, const std::string& text) const;
  std::string call_text() const;
  std::string agreed_text(uint64_t agreed) const;

  /// The sequence word of a round of this generation; of round 0 it is the control word of a member at work.
  uint64_t seq_of(uint64_t round) const { return (uint64_t{spec().generation} << kGroupGenerationShift) | round; }
  static uint32_t half_of(uint64_t round) { return static_cast<uint32_t>(round % kNumHalves); }
  uint64_t area_offset(const Arrival& arrival) const;

  LocalRank& local_;
  GroupGenerations& generations_;
  GroupLayout layout_;
  Members members_;
  std::byte* base_ = nullptr;  // of the group's part of this rank's control segment
  uint64_t all_ = 0;           // a bit a member
  uint64_t missing_ = 0;       // members whose contribution of this round was not taken yet
  uint64_t round_ = 0;         // published last; the next one's half is free
  bool has_met_ = false;
  CallTag tag_;
  Deadline deadline_{};
  uint64_t bytes_since_look_ = 0;  // pulled in this call since deadline and death were looked at
  Status broken_;
  CallScope* scope_ = nullptr;  // of the call, where it is counted
};

// ---- What each call runs for each member: here, so that the operation is compiled into it ----

template <class Compose>
Status Rounds::publish_each(Compose&& compose) {
  if (missing_ != 0) [[unlikely]]
    return misused("publish out of turn");
  round_ += 1;
  missing_ = all_;
  const uint64_t seq = seq_of(round_);
  const uint32_t half = half_of(round_);
  const uint32_t num_members = size();
  uint32_t member = self();
  do {
    member = member + 1 == num_members ? 0 : member + 1;
    SWITCHYARD_RETURN_IF_ERROR(publish_to(members_.link(member), half, seq, compose(member)));
  } while (member != self());
  members_.ring();
  return {};
}

inline Status Rounds::publish_to(const MemberLink& link, uint32_t half, uint64_t seq, const Outgoing& outgoing) {
  if (outgoing.source == GroupSource::kInline && outgoing.num_bytes > kGroupInlineBytesMax) [[unlikely]]
    return misused("an inline contribution of " + std::to_string(outgoing.num_bytes));
  if (GroupField* field = link.field(half)) {
    write_body(tag_, outgoing, &field->body);
    field->seq.store(seq, std::memory_order_release);
    return {};
  }
  GroupFieldBody body;
  write_body(tag_, outgoing, &body);
  return link.publish(half, body, seq);
}

template <class Take>
Status Rounds::take_each(Take&& take) {
  const uint32_t half = half_of(round_);
  while (missing_ != 0) {
    uint64_t arrived = look();
    if (arrived == 0) SWITCHYARD_RETURN_IF_ERROR(wait_for_arrivals(&arrived));
    while (arrived != 0) {
      const uint32_t member = first_from(arrived, self());
      arrived &= ~(1ull << member);
      Arrival arrival;
      SWITCHYARD_RETURN_IF_ERROR(read(member, half, &arrival));
      SWITCHYARD_RETURN_IF_ERROR(take(static_cast<const Arrival&>(arrival)));
    }
  }
  return {};
}

/// What of the missing is there to be taken. While somebody on this rank's own cores is missing, this rank has to yield: so what other
/// cores owe is left alone until then, since a look takes the line away from the core that is about to write it.
inline uint64_t Rounds::look() const {
  const uint64_t near = missing_ & ~members_.elsewhere();
  const uint64_t arrived = find_arrivals(near);
  return arrived == near ? arrived | find_arrivals(missing_ & ~near) : arrived;
}

/// A bit for each of some members whose contribution is there: all at once, so that lines which other cores have written are fetched
/// side by side.
inline uint64_t Rounds::find_arrivals(uint64_t members) const {
  const uint64_t seq = seq_of(round_);
  const uint32_t half = half_of(round_);
  uint64_t arrived = 0;
  for (uint64_t left = members; left != 0; left &= left - 1) {
    const auto member = static_cast<uint32_t>(std::countr_zero(left));
    const bool has_come = members_.link(member).arrived(half).seq.load(std::memory_order_seq_cst) == seq;
    arrived |= uint64_t{has_come} << member;
  }
  return arrived;
}

inline Status Rounds::read(uint32_t member, uint32_t half, Arrival* out) {
  const MemberLink& link = members_.link(member);
  // The member is through with the round before, so nobody looks at the line of the next round, which has that one's half. All are
  // fetched side by side while arrivals are taken; one store after the other would wait for its own.
  if (const GroupField* next = link.field(half_of(round_ + 1))) prefetch_for_write(next);
  const GroupFieldBody& body = link.arrived(half).body;
  if (!is_tagged(body, tag_)) [[unlikely]]
    return other_call(member, body);
  out->member = member;
  read_contribution(body, out);
  if (!is_possible(out->source, out->offset, out->num_bytes)) [[unlikely]]
    return impossible(member, out->source, out->offset, out->num_bytes);
  missing_ &= ~(1ull << member);
  if (scope_ && member != self()) [[unlikely]]
    scope_->add_bytes(rank(member), out->num_bytes);
  return {};
}

/// App and zero-copy areas are checked by the fabric, which knows their sizes.
inline bool Rounds::is_possible(GroupSource source, uint64_t offset, uint64_t num_bytes) const {
  if (source == GroupSource::kInline) return num_bytes <= kGroupInlineBytesMax;
  if (source != GroupSource::kManaged) return source <= GroupSource::kZc;
  const uint64_t half_bytes = layout_.half_bytes();
  return num_bytes <= half_bytes && offset <= half_bytes - num_bytes;
}

}  // namespace switchyard::xccl
