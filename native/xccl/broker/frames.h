// What two brokers say to each other over their SOCK_SEQPACKET connection: one fixed frame a message.
//
//   dialer                              listener
//   kHello (who, nonce, what it is) ->
//                                   <-  kWelcome (the same)         or kRefuse (code, may_retry, text)
//   kSegments + 3 descriptors       ->
//                                   <-  kSegments + 3 descriptors   or kRefuse; the listener is linked now
//   (maps them)                                                     the dialer is linked now, or says kFarewell
//   kPing (id)                     <->  kPong (id, what lies unread), at once, by the broker alone (probe)
//   kFarewell (code, text)         <->  this link is over; the sender stops writing and then closes its end
//
// End of file means that the other process writes no more: it has unmapped our segments, or it is gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

inline constexpr uint32_t kNumSegments = 3;

enum class FrameKind : uint32_t { kHello = 1, kWelcome, kSegments, kRefuse, kFarewell, kPing, kPong };

struct Frame {
  uint64_t magic;
  uint32_t layout_version;
  FrameKind kind;
  uint32_t from_rank;
  uint32_t to_rank;
  uint64_t from_epoch;
  uint64_t to_epoch;
  uint8_t nonce[kNonceBytes];
  uint64_t ctrl_bytes;
  uint64_t app_bytes;
  uint64_t zc_bytes;
  Shapes shapes;
  uint32_t max_ranks;
  uint32_t code;           // kRefuse, kFarewell
  uint32_t may_retry;      // kRefuse
  uint32_t num_unread;     // kPong
  uint64_t proof_address;  // kHello, kWelcome: ProofHello
  uint64_t proof_nonce;
  uint64_t can_pull;   // kSegments: the sender can read the other's memory
  uint64_t ping_id;    // kPing, kPong
  uint64_t num_taken;  // kPong
  uint64_t progress;   // kPong: the sender's progress word
  char communicator[64];
  char compatibility[192];
  char text[192];
};
static_assert(sizeof(Frame) == 640);

/// A frame from this rank with everything filled in but code and text.
Frame frame_from(const LocalRank& local, FrameKind kind, uint32_t to_rank, uint64_t to_epoch);

/// A kRefuse or kFarewell.
Frame frame_with_text(const LocalRank& local, FrameKind kind, Code code, std::string_view text, bool may_retry);

/// A kPing, or the kPong that answers it.
Frame frame_with_ping(const LocalRank& local, FrameKind kind, uint64_t ping_id);

/// The frame's code, kInternal for an unknown number; its text, cut at the first NUL.
Code frame_code(const Frame& frame);
std::string frame_text(const char* field, size_t field_bytes);

}  // namespace switchyard::xccl
