// PeerTable: which ranks may be talked to right now. The broker publishes and retracts links; the hot path takes a LinkRef (two
// atomic operations, no lock), which keeps the peer's memory mapped until it is let go. The broker unmaps a retracted link only
// when nobody holds a ref: D5's "after EOF and their last use". A half of the messenger or of the exchange, which is one thread at a
// time, has a count of its own and needs no locked instruction: the broker's process_barrier() brings the order that is missing then. So has a
// group id, whose calls hold the links of all members by one store of a set of ranks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "xccl/layout/ctrl_layout.h"
#include "xccl/link/memory_reader.h"
#include "xccl/link/process_barrier.h"
#include "xccl/transport/fabric.h"
#include "xccl/types.h"
#include "xccl/wait/cores.h"

namespace switchyard::xccl {

/// Messages that one side reads out of the other's memory. The default: none.
struct PullTerms {
  MemoryReader reader;     // of what the peer offers
  bool may_offer = false;  // the peer has shown that it can read this rank's memory
  uint64_t own_nonce = 0;  // of what this rank offers to the peer, and may retract
  CoreMask cores = 0;      // where the peer runs, as it announces
};

/// What a published link leads to. Owned by the broker.
struct LinkTarget {
  Fabric* fabric = nullptr;
  uint64_t epoch = 0;
  uint64_t app_bytes = 0;
  CtrlLayout layout{};  // of the peer's control segment: it may lack parts that this rank has
  PullTerms pull{};
};

/// Who uses links from one thread at a time.
enum class SoleUser : uint8_t {
  kSender = 0,  // of the messenger, as kReceiver
  kReceiver = 1,
  kAttention = 2,  // of the exchange, as kExpert
  kExpert = 3,
};
inline constexpr uint32_t kNumSoleUsers = 4;

/// What one sole user alone writes, in a line of its own.
struct alignas(64) SoleCount {
  std::atomic<uint32_t> num_refs{0};
  std::atomic<uint32_t> num_awaited{0};  // E2A answers that it waits for; written under a ref, zeroed by publish()

  void add_awaited(uint32_t change) {
    num_awaited.store(num_awaited.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
};

/// The ranks whose links the call of one group id holds, a bit each.
struct alignas(64) GroupHold {
  std::atomic<uint64_t> ranks{0};
};

/// For users with a word of their own: says that links are in use. Who loads live_serial after it sees what the broker has
/// retracted; or the broker, which stores live_serial, runs a barrier in this thread too and then loads the word, sees the use.
template <class Word>
inline void announce_use(std::atomic<Word>& word, Word value) {
  if (kHasProcessBarrier) {
    word.store(value, std::memory_order_relaxed);
    // The compiler, too, leaves the load behind the store.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    word.exchange(value, std::memory_order_seq_cst);
  }
}

struct alignas(64) PeerEntry {
  std::atomic<uint64_t> live_serial{0};     // 0: not linked; else unique to this link. Written by the broker
  std::atomic<uint64_t> last_epoch{0};      // of the link that lives, or lived last; read it before live_serial
  std::atomic<uint32_t> num_users{0};       // refs held
  std::atomic<uint64_t> num_ring_taken{0};  // ring chunks of the peer that this rank has taken since the link began
  LinkTarget target;                        // written by the broker while live_serial and all counts of users are 0
  std::array<SoleCount, kNumSoleUsers> sole_users;

  SoleCount& sole_user(SoleUser user) { return sole_users[static_cast<size_t>(user)]; }
  /// E2A answers that this rank waits for: the broker then judges the peer's liveness.
  uint32_t num_awaited() const {
    uint32_t sum = 0;
    for (const SoleCount& user : sole_users) sum += user.num_awaited.load(std::memory_order_relaxed);
    return sum;
  }

  bool is_unused() const {
    uint32_t num_refs = num_users.load(std::memory_order_seq_cst);
    for (const SoleCount& user : sole_users) num_refs += user.num_refs.load(std::memory_order_seq_cst);
    return num_refs == 0;
  }
};

/// Holds a link in use. Empty when the rank was not linked.
class LinkRef {
 public:
  LinkRef() = default;
  explicit LinkRef(PeerEntry& entry) {
    // seq_cst on both sides (the broker stores live_serial, then loads num_users): one of the two sees the other.
    entry.num_users.fetch_add(1, std::memory_order_seq_cst);
    serial_ = entry.live_serial.load(std::memory_order_seq_cst);
    if (serial_ == 0) {
      entry.num_users.fetch_sub(1, std::memory_order_release);
    } else {
      entry_ = &entry;
    }
  }
  LinkRef(PeerEntry& entry, SoleUser user) : sole_(&entry.sole_user(user).num_refs) {
    const uint32_t count = sole_->load(std::memory_order_relaxed) + 1;
    announce_use(*sole_, count);
    serial_ = entry.live_serial.load(std::memory_order_seq_cst);
    if (serial_ == 0) {
      sole_->store(count - 1, std::memory_order_release);
    } else {
      entry_ = &entry;
    }
  }
  LinkRef(LinkRef&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)), sole_(other.sole_), serial_(std::exchange(other.serial_, 0)) {}
  LinkRef& operator=(LinkRef&& other) noexcept {
    release();
    entry_ = std::exchange(other.entry_, nullptr);
    sole_ = other.sole_;
    serial_ = std::exchange(other.serial_, 0);
    return *this;
  }
  LinkRef(const LinkRef&) = delete;
  // Inline, or the ref lies in memory and every look at it is a load.
  [[gnu::always_inline]] inline ~LinkRef() { release(); }

  explicit operator bool() const { return entry_ != nullptr; }
  uint64_t serial() const { return serial_; }
  const LinkTarget& target() const { return entry_->target; }
  Fabric& fabric() const { return *entry_->target.fabric; }
  /// False once the broker has retracted the link; the memory stays mapped while this ref is held.
  bool is_live() const { return entry_->live_serial.load(std::memory_order_seq_cst) == serial_; }

  [[gnu::always_inline]] inline void release() {
    PeerEntry* entry = std::exchange(entry_, nullptr);
    serial_ = 0;
    if (!entry) return;
    if (sole_) {
      sole_->store(sole_->load(std::memory_order_relaxed) - 1, std::memory_order_release);
    } else {
      entry->num_users.fetch_sub(1, std::memory_order_release);
    }
  }

 private:
  PeerEntry* entry_ = nullptr;
  std::atomic<uint32_t>* sole_ = nullptr;  // the count that holds this ref; null: num_users
  uint64_t serial_ = 0;
};

class PeerTable {
 public:
  LinkRef acquire(uint32_t rank) { return LinkRef(entries_[rank]); }
  LinkRef acquire(uint32_t rank, SoleUser user) { return LinkRef(entries_[rank], user); }
  PeerEntry& entry(uint32_t rank) { return entries_[rank]; }
  const PeerEntry& entry(uint32_t rank) const { return entries_[rank]; }

  /// Holds the links of a set of ranks (a bit each) for a call of a group; which of them there are their live_serial says.
  void hold_for_group(uint32_t group_id, uint64_t ranks) { announce_use(group_holds_[group_id].ranks, ranks); }
  /// Links that have ended so far. Whoever has said that it uses links, and finds this as it was when it saw them live, may use them
  /// all: to them it is what live_serial is to one.
  uint64_t num_retracted() const { return num_retracted_.load(std::memory_order_seq_cst); }
  void release_from_group(uint32_t group_id) { group_holds_[group_id].ranks.store(0, std::memory_order_release); }

  // Broker only.
  void publish(uint32_t rank, const LinkTarget& target) {
    entries_[rank].target = target;
    for (SoleCount& user : entries_[rank].sole_users) user.num_awaited.store(0, std::memory_order_relaxed);
    entries_[rank].num_ring_taken.store(0, std::memory_order_relaxed);
    entries_[rank].live_serial.store(++num_links_, std::memory_order_seq_cst);
    // After live_serial: who sees this epoch and then no link knows that it has died.
    entries_[rank].last_epoch.store(target.epoch, std::memory_order_seq_cst);
  }
  void retract(uint32_t rank) {
    entries_[rank].live_serial.store(0, std::memory_order_seq_cst);
    num_retracted_.fetch_add(1, std::memory_order_seq_cst);
    process_barrier();
  }
  bool is_unused(uint32_t rank) const {
    uint64_t held = 0;
    for (const GroupHold& hold : group_holds_) held |= hold.ranks.load(std::memory_order_seq_cst);
    return (held >> rank & 1) == 0 && entries_[rank].is_unused();
  }

 private:
  std::array<PeerEntry, kNumRanksMax> entries_;
  std::array<GroupHold, kNumGroupsMax> group_holds_;
  std::atomic<uint64_t> num_retracted_{0};
  uint64_t num_links_ = 0;
};

}  // namespace switchyard::xccl
