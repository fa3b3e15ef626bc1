// The control segment as types: what lies where, who writes it. Included by transport, broker and coll; no logic beyond offsets.
// Whatever is read from here was written by another process: read it once into a local (copy_once, load_once), check it, then use it.
//
//   0        CtrlHeader          owner, once, before the segment is shared
//   128      ProgressLine        owner; read by every peer's broker
//   192      Doorbell[16]        seq: everybody (read-modify-write); sleeping and target: owner
//   1216     CoreShares          owner's broker; read by every peer's broker
//   4096     AliveLine[64]       owner's broker; entry r also by rank r's watcher (one bit) and by the kernel at the owner's death
//   8192     PairFields[64]      entry r is written by rank r alone (the owner zeroes it between two epochs of r)
//   16384    A2E and E2A slots   [rank r][micro-batch]: exchange_layout.h, page-aligned; written by rank r alone
//   then     rings               [rank r]: ring_layout.h; written by rank r alone, but for the owner's offer words
//   then     groups              [group]: group_layout.h; fields by rank r alone, the managed area by the owner alone
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "xccl/layout/exchange_layout.h"
#include "xccl/layout/group_layout.h"
#include "xccl/layout/ring_layout.h"
#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint64_t kCtrlMagic = 0x4c43434858595753ull;  // "SWYXHCCL"
inline constexpr uint32_t kLayoutVersion = 8;

struct CtrlHeader {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t rank;
  uint64_t epoch;
  uint64_t ctrl_bytes;
  uint64_t app_bytes;
  uint64_t zc_bytes;
  uint32_t max_ranks;
  uint32_t reserved0;
  Shapes shapes;
  uint8_t reserved[24];
};

/// Bit 63: busy. Bits 40..62: allowance in ms. Bits 0..39: count, raised at every change.
/// `cores`: where the rank runs (wait/cores.h), 0 when it does not say.
struct alignas(kLineBytes) ProgressLine {
  std::atomic<uint64_t> word;
  std::atomic<uint64_t> cores;
};

/// One receiver's futex line (wait/doorbell.h says how it is used).
struct alignas(kLineBytes) Doorbell {
  std::atomic<uint32_t> seq;
  std::atomic<uint32_t> sleeping;
  std::atomic<uint32_t> target;
};

/// Doorbells of a rank, one for each thing that one of its threads may wait for by itself: a wait is woken by its last arrival,
/// and counts that mix two things would wake it for every one.
enum class Bell : uint32_t {
  kA2e = 0,       // expert half
  kE2aFirst = 1,  // attention half, one a micro-batch
  kRing = 3,      // messages for this rank
  kRingAck = 4,   // acknowledgements of this rank's messages
  kSignal = 5,    // put-with-signal into the zero-copy area
  kPullHelp = 6,  // a peer has a large message read and gives its core away meanwhile: for the helping thread
  kGroup = 7,     // publications in groups; one a group, of the first kNumGroupBells
};
inline constexpr uint32_t kNumGroupBells = 9;
inline constexpr uint32_t kNumBells = 16;

constexpr uint32_t bell_of(Bell bell) { return static_cast<uint32_t>(bell); }
constexpr uint32_t bell_of_e2a(uint32_t micro_batch) { return bell_of(Bell::kE2aFirst) + micro_batch; }
/// Groups beyond the first share: an early wake costs them a look.
constexpr uint32_t bell_of_group(uint32_t group_id) { return bell_of(Bell::kGroup) + group_id % kNumGroupBells; }

inline constexpr uint32_t kNumCoreShares = 64;
inline constexpr uint16_t kCoreShareMax = 1000;

/// How much of each core (modulo 64) the owner's bound workers used in its last window (wait/core_watch.h): 1000 is all of it.
struct alignas(kLineBytes) CoreShares {
  std::atomic<uint16_t> of[kNumCoreShares];
};

/// The id of the owner's broker thread while it lives, with the bits of a robust futex (broker/alive_words.h).
struct alignas(kLineBytes) AliveLine {
  std::atomic<uint32_t> word;

  bool is_held() const {
    const uint32_t value = word.load(std::memory_order_acquire);
    return (value & FUTEX_OWNER_DIED) == 0 && (value & FUTEX_TID_MASK) != 0;
  }
};

enum class Direction : uint8_t { kA2e = 1, kE2a = 2 };

/// What a metadata field says besides its sequence number. `detail` is the number of counts, or of parts of a bundle (A2E), or
/// a Code (E2A).
struct PairFieldBody {
  uint64_t step;
  uint16_t layer;
  uint8_t micro_batch;
  Direction direction;
  uint32_t num_rows;
  uint32_t num_pairs;
  uint32_t detail;
};

/// The paper's 32-byte metadata field: the body is written first, then seq with release. seq counts the messages of this
/// (pair, direction, micro-batch) since the link began, from 1.
struct PairField {
  std::atomic<uint64_t> seq;
  PairFieldBody body;
};

/// Two fields a direction share a line: both have the same writer.
struct alignas(kLineBytes) PairFields {
  PairField a2e[kNumMicroBatches];
  PairField e2a[kNumMicroBatches];
};

/// The fixed part, at offset 0 of every control segment.
struct CtrlFixed {
  CtrlHeader header;
  ProgressLine progress;
  Doorbell bells[kNumBells];
  CoreShares core_shares;
  uint8_t reserved[kPageBytes - sizeof(CtrlHeader) - sizeof(ProgressLine) - kNumBells * sizeof(Doorbell) -
                   sizeof(CoreShares)];
  AliveLine alive[kNumRanksMax];
  PairFields pairs[kNumRanksMax];
};

static_assert(sizeof(Shapes) == 48 && sizeof(CtrlHeader) == 128);
static_assert(sizeof(ProgressLine) == kLineBytes && sizeof(Doorbell) == kLineBytes && sizeof(AliveLine) == kLineBytes);
static_assert(sizeof(PairFieldBody) == 24 && sizeof(PairField) == 32 && sizeof(PairFields) == 2 * kLineBytes);
static_assert(offsetof(CtrlFixed, progress) == 128 && offsetof(CtrlFixed, bells) == 192);
static_assert(offsetof(CtrlFixed, core_shares) == 1216 && sizeof(CoreShares) == 2 * kLineBytes);
static_assert(offsetof(CtrlFixed, alive) == kPageBytes && offsetof(CtrlFixed, pairs) == 2 * kPageBytes);
static_assert(sizeof(CtrlFixed) == 4 * kPageBytes);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free &&
              std::atomic<uint16_t>::is_always_lock_free);

/// Offsets that follow from max_ranks and the shapes; the same in every member that has these shapes.
struct CtrlLayout {
  Shapes shapes;
  uint32_t max_ranks;

  bool has_exchange() const { return shapes.exchange.max_tokens != 0; }
  bool has_rings() const { return shapes.ring.num_slots != 0; }
  bool has_groups() const { return shapes.group.num_groups != 0; }
  const ExchangeShape& exchange() const { return shapes.exchange; }

  ExchangeLayout exchange_layout() const { return {shapes.exchange}; }

  // Slots of the exchange.
  uint64_t a2e_slot(uint32_t rank, uint32_t micro_batch) const {
    return sizeof(CtrlFixed) + (uint64_t{rank} * kNumMicroBatches + micro_batch) * exchange_layout().pair_bytes();
  }
  uint64_t e2a_slot(uint32_t rank, uint32_t micro_batch) const {
    return a2e_slot(rank, micro_batch) + exchange_layout().a2e_bytes();
  }

  /// The ring that `rank` writes and the segment's owner reads.
  uint64_t ring(uint32_t rank) const { return rings_offset() + rank * ring_layout().total_bytes(); }
  RingLayout ring_layout() const { return {shapes.ring}; }
  /// What the segment's owner says of its offers to `rank` (link/memory_reader.h).
  uint64_t offer_words(uint32_t rank) const { return ring(rank) + ring_layout().offer_words(); }

  uint64_t group(uint32_t group_id) const { return groups_offset() + group_id * group_layout().total_bytes(); }
  GroupLayout group_layout() const { return {shapes.group, max_ranks}; }

  uint64_t total_bytes() const { return has_groups() ? group(shapes.group.num_groups) : groups_offset(); }

  static uint64_t a2e_field(uint32_t rank, uint32_t micro_batch) {
    return offsetof(CtrlFixed, pairs) + rank * sizeof(PairFields) + micro_batch * sizeof(PairField);
  }
  static uint64_t e2a_field(uint32_t rank, uint32_t micro_batch) {
    return a2e_field(rank, micro_batch) + kNumMicroBatches * sizeof(PairField);
  }
  static uint64_t bell(uint32_t bell_idx) { return offsetof(CtrlFixed, bells) + bell_idx * sizeof(Doorbell); }

 private:
  uint64_t rings_offset() const { return has_exchange() ? a2e_slot(max_ranks, 0) : sizeof(CtrlFixed); }
  uint64_t groups_offset() const { return has_rings() ? ring(max_ranks) : rings_offset(); }
};

/// One number of shared memory, read exactly once.
template <class Number>
Number load_once(const Number& shared) {
  static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
  return *const_cast<const volatile Number*>(&shared);
}

/// Copies shared bytes to private memory exactly once: the compiler may not read the source again later instead of the copy.
/// It also may not know the size, so that ThreadSanitizer sees a call of memcpy and not moves that it does not instrument.
inline void copy_once(void* dst, const void* src, size_t num_bytes) {
  asm volatile("" : "+r"(num_bytes));
  std::memcpy(dst, src, num_bytes);
  asm volatile("" ::: "memory");
}

}  // namespace switchyard::xccl
