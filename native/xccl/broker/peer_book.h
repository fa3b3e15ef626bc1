// PeerBook: what this rank was told about its peers and what became of each. The one place where the callers' threads and the
// broker meet; everything under one mutex, never held while anything is called back.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "xccl/types.h"

namespace switchyard::xccl {

struct PeerRecord {
  PeerSpec spec;
  PeerInfo info;
  Deadline link_deadline;
  std::string last_refusal;  // of a dial that may still succeed; for the text of a timeout
};

class PeerBook {
 public:
  PeerBook(uint32_t own_rank, uint32_t max_ranks);

  Status expect(const PeerSpec& spec);
  Status forget(uint32_t rank);
  std::optional<PeerRecord> find(uint32_t rank) const;
  std::vector<PeerInfo> list() const;

  /// Moves a peer on (expected -> linked or refused, expected or linked -> dead) if it is still this epoch that is expected.
  /// Returns what to announce, or nothing when that was no news.
  std::optional<PeerInfo> settle(uint32_t rank, uint64_t epoch, PeerState state, Code code, std::string reason);
  void note_refusal(uint32_t rank, std::string text);

  Status wait_linked(uint32_t rank, uint64_t epoch, Deadline deadline);
  /// The error for a rank that has no live link.
  Status explain_unlinked(uint32_t rank) const;

  /// Ends all waits with Closed.
  void close();

 private:
  Status check_rank(uint32_t rank) const;
  bool is_settled(uint32_t rank, uint64_t epoch) const;
  Status status_of(uint32_t rank, uint64_t epoch) const;

  const uint32_t own_rank_;
  const uint32_t max_ranks_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  std::array<std::optional<PeerRecord>, kNumRanksMax> records_;
};

}  // namespace switchyard::xccl
