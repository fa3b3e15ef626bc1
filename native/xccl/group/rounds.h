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
#include <memory>
#include <span>
#include <string>

#include "xccl/group/generations.h"
#include "xccl/group/members.h"
#include "xccl/group/operation.h"
#include "xccl/layout/group_layout.h"
#include "xccl/link/local_rank.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {

/// What all members of a call must agree upon; else Mismatch. `agreed` is the operation's own (root, type, size), and
/// `agreed_text` says it in the error (null: as a number).
struct CallTag {
  Operation operation = Operation::kFence;
  uint32_t event = 0;
  uint64_t agreed = 0;
  std::string (*agreed_text)(uint64_t agreed) = nullptr;
};

/// One member's contribution to another: made by inline_bytes(), managed() or Rounds::zero_copy().
struct Outgoing {
  GroupSource source = GroupSource::kInline;
  uint64_t offset = 0;
  uint64_t num_bytes = 0;
  const std::byte* payload = nullptr;
  uint64_t detail = 0;

  /// At most kGroupInlineBytesMax bytes, copied by publish().
  static Outgoing inline_bytes(std::span<const std::byte> bytes, uint64_t detail = 0) {
    return {GroupSource::kInline, 0, bytes.size(), bytes.data(), detail};
  }
  /// Bytes of half(); several members may be given the same.
  static Outgoing managed(uint64_t offset, uint64_t num_bytes, uint64_t detail = 0) {
    return {GroupSource::kManaged, offset, num_bytes, nullptr, detail};
  }
};

/// A member's contribution for this rank in the current round: a private copy that passed all checks. Valid until publish().
struct Arrival {
  uint32_t member = 0;
  GroupSource source = GroupSource::kInline;
  uint64_t offset = 0;
  uint64_t num_bytes = 0;  // of a managed contribution at most a half
  uint64_t detail = 0;
  std::array<uint64_t, kGroupInlineWords> payload{};  // of an inline contribution; others are pulled
};

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
  bool zero_copy(std::span<const std::byte> bytes, uint64_t detail, Outgoing* out) const;

  /// One Outgoing a member, for publish(): what they held before is left in them.
  std::span<Outgoing> outgoing() { return {outgoing_.data(), size()}; }

  /// Begins a round: one contribution for each member, this rank included. The last round must have been taken in full.
  Status publish(std::span<const Outgoing> outgoing);
  /// The next contribution that has arrived, waiting for it if need be; null when all have been taken. Every round must be
  /// taken in full: only then have all members published it.
  Status next(const Arrival** out);
  /// next() for each member: take(const Arrival&) -> Status.
  template <class Take>
  Status take_each(Take&& take) {
    for (;;) {
      const Arrival* arrival = nullptr;
      SWITCHYARD_RETURN_IF_ERROR(next(&arrival));
      if (!arrival) return {};
      SWITCHYARD_RETURN_IF_ERROR(take(*arrival));
    }
  }

  /// Copies [offset, offset + dst.size()) of a contribution. Corrupt when it is not that large.
  Status pull(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst);
  /// Other bytes of a member that its contribution names, to be pulled or mapped like it. Corrupt when they cannot lie there.
  Status region(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes, Arrival* out);
  /// The whole contribution where it lies, or null when the fabric cannot map it. Another process's memory: opaque bytes only.
  /// Valid until the next publish(); small contributions lie in the arrival.
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
  Status publish_to(uint32_t member, const Outgoing& outgoing);
  void write_body(const Outgoing& outgoing, GroupFieldBody* body) const;

  template <class Look>
  Status wait_for(Look&& look);
  Status wait_for_arrivals();
  bool look_elsewhere();
  bool find_arrivals();
  Status find_fault();
  Status judge_seq(uint32_t member, uint64_t seq);
  Status judge_control(uint32_t member, uint64_t word, bool is_met);
  Status take(uint32_t member, const Arrival** out);
  bool is_possible(GroupSource source, uint64_t offset, uint64_t num_bytes) const;
  const std::byte* map_own(const Arrival& arrival);
  Status pull_piece(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst);

  // Cold: so the texts are built apart from the code that every call runs.
  [[gnu::cold]] Status misused(const std::string& text) const;
  [[gnu::cold]] Status opened_again() const;
  [[gnu::cold]] Status impossible(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes);
  [[gnu::cold]] Status too_short(const Arrival& arrival, uint64_t offset, uint64_t num_bytes);
  [[gnu::cold]] Status other_call(uint32_t member, uint16_t operation, uint32_t event, uint64_t agreed) const;
  [[gnu::cold]] Status timed_out() const;
  [[gnu::cold]] Status unlinked(uint32_t member) const;
  [[gnu::cold]] Status error(Code code, uint32_t member, const std::string& text) const;
  std::string call_text() const;
  std::string agreed_text(uint64_t agreed) const;

  /// The sequence word of a round of this generation; of round 0 it is the control word of a member at work.
  uint64_t seq_of(uint64_t round) const { return (uint64_t{spec().generation} << kGroupGenerationShift) | round; }
  static uint32_t half_of(uint64_t round) { return static_cast<uint32_t>(round % kNumHalves); }
  GroupFields& fields_of(uint32_t member) { return fields_[rank(member)]; }
  uint64_t area_offset(const Arrival& arrival) const;

  LocalRank& local_;
  GroupGenerations& generations_;
  GroupLayout layout_;
  Members members_;
  std::byte* base_ = nullptr;      // of the group's part of this rank's control segment
  GroupFields* fields_ = nullptr;  // one for each rank
  uint64_t all_ = 0;               // a bit a member
  uint64_t missing_ = 0;           // members whose contribution of this round was not taken yet
  uint64_t arrived_ = 0;           // of these, whose was seen
  uint64_t round_ = 0;             // published last; the next one's half is free
  bool has_met_ = false;
  CallTag tag_;
  Deadline deadline_{};
  uint64_t bytes_since_look_ = 0;  // pulled in this call since deadline and death were looked at
  Status broken_;
  CallScope* scope_ = nullptr;  // of the call, where it is counted
  std::array<Outgoing, kNumRanksMax> outgoing_;
  std::array<Arrival, kNumRanksMax> arrivals_;
};

}  // namespace switchyard::xccl
