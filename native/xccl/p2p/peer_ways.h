// PeerWays: the ways of this rank's messages on one link. Messages of one kind, which is who reads them and a power of two of bytes, are
// compared with each other alone (WayChoice). Used by Sender.
//
// What a message costs is what both cores spend. Through the ring: the sender's copies into it and the receiver's out of it. Offered: the
// receiver's reading and half as much again, which stands for what the sender spends when it writes the lines again that the receiver has
// taken (decision 0027 has the times). A region: the receiver's copy. Waiting for room, or for a rank that is late, is none of it. Each side
// times its own copies, so that no clock is compared with another; the receiver tells by a word beside its acknowledgement
// (layout/ring_layout.h), one message at a time.
#pragma once

#include <array>
#include <optional>

#include "xccl/p2p/way_choice.h"

namespace switchyard::xccl {

/// Smaller messages always go through the ring: their sends are over at once.
inline constexpr uint64_t kPullBytesMin = 16 << 10;

class PeerWays {
 public:
  /// At first two threads read what they may; whatever else there is goes through the ring. From 1 MiB on they always do.
  PeerWays();

  struct Kind {
    uint64_t num_bytes = 0;
    bool is_region = false;
    bool is_helped = false;  // its receiver may have this core meanwhile; a region's always has
  };

  /// Of a message that is sent now.
  Way next(const Kind& kind) { return is_settled(kind) ? Way::kSpecial : choice_of(kind).next(); }
  /// Is it to be timed? None is while another one is.
  bool is_timed(const Kind& kind) { return timed_.chunk == 0 && !is_settled(kind) && choice_of(kind).is_timed(); }
  /// The timed message's last chunk is published; `own_ns` is what this rank's copies took.
  void await(const Kind& kind, Way way, uint64_t chunk, uint64_t own_ns) { timed_ = {kind, way, chunk, own_ns}; }
  /// The last chunk of the message whose time is awaited, 0: none is.
  uint64_t awaited_chunk() const { return timed_.chunk; }
  /// The awaited chunk is taken, and this is what the receiver's part took; nothing when that did not say.
  void note(std::optional<uint64_t> peer_ns);

 private:
  static constexpr uint32_t kNumSizes = 8;    // 16 KiB to 2 MiB and more
  static constexpr uint32_t kNumRegions = 3;  // 512 KiB to 2 MiB and more
  /// So large, a message that two threads read is never slower than through the ring, which is not tried then (decision 0027).
  static constexpr uint64_t kSettledBytes = 1 << 20;

  struct Timed {
    Kind kind{};
    Way way = Way::kPlain;
    uint64_t chunk = 0;
    uint64_t own_ns = 0;
  };

  static bool is_settled(const Kind& kind) {
    return kind.is_helped && !kind.is_region && kind.num_bytes >= kSettledBytes;
  }
  WayChoice& choice_of(const Kind& kind);

  std::array<WayChoice, kNumSizes> alone_;
  WayChoice helped_{Way::kSpecial};
  std::array<WayChoice, kNumRegions> regions_;
  Timed timed_;
};

}  // namespace switchyard::xccl
