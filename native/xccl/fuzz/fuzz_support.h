// What XCCL's fuzz targets share: two ranks of one process linked by shm fabrics without a broker, and
// patches to shared memory. Built by `node native/build.mjs --variant fuzz` with clang alone (native/test/fuzz.mjs).
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "test/fuzz_input.h"
#include "xccl/link/local_rank.h"
#include "xccl/transport/providers.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl::fuzz {

using switchyard::fuzz::Input;

/// Stores four bytes of the input somewhere in `area`, at a multiple of four.
inline void patch(Input& input, std::byte* area, uint64_t num_bytes) {
  const uint64_t at = input.take<uint16_t>() * 4ull % (num_bytes - 3);
  const auto value = input.take<uint32_t>();
  std::memcpy(area + at / 4 * 4, &value, sizeof(value));
}

/// Ranks 0 and 1 of one communicator, linked as a broker would; rank 2 is known to nobody.
class Pair {
 public:
  explicit Pair(const CommunicatorConfig& config) {
    for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      CommunicatorConfig own = config;
      own.rank = rank;
      FUZZ_CHECK(LocalRank::create(own, &ranks_[rank]).ok());
      ranks_[rank]->explain_unlinked = [](uint32_t) { return Status(Code::kPeerDead, "unlinked"); };
      ranks_[rank]->report_corrupt = [this, rank](uint32_t peer, uint64_t, const std::string&) {
        num_reports += 1;
        ranks_[rank]->peers().retract(peer);
      };
    }
    for (uint32_t rank = 0; rank < ranks_.size(); ++rank) proofs_[rank] = ranks_[rank]->begin_proof(1 - rank);
    link(0, 1);
    link(1, 0);
  }

  LocalRank& operator[](uint32_t rank) { return *ranks_[rank]; }
  uint32_t num_reports = 0;

 private:
  void link(uint32_t rank, uint32_t peer) {
    LocalRank& to = *ranks_[peer];
    fabrics_[rank] = shm_fabric_create({to.ctrl().span(), to.app().span(), to.zc().span()});
    PullTerms pull;
    pull.reader = reader_of(getpid(), proofs_[peer]);
    if (pull.reader.pid != 0) pull.reader.words = &to.offer_words(rank);
    pull.may_offer = proofs_[rank].nonce != 0;
    pull.own_nonce = proofs_[rank].nonce;
    ranks_[rank]->peers().publish(peer, {fabrics_[rank].get(), to.config().epoch, to.app().size(), to.layout(), pull});
  }

  std::array<std::unique_ptr<LocalRank>, 2> ranks_;
  std::array<ProofHello, 2> proofs_;  // of each to the other
  std::array<std::unique_ptr<Fabric>, 2> fabrics_;
};

inline CommunicatorConfig small_config() {
  CommunicatorConfig config;
  config.name = "fuzz";
  config.epoch = 1;
  config.socket_path = "unused";
  config.app_bytes = 4096;
  config.zc_bytes = 4096;
  config.max_ranks = 4;
  config.wait_policy = WaitPolicy::kFutex;
  return config;
}

/// The deadline of every wait here: what is not there already does not come.
inline Deadline at_once() { return kOnlyLook; }

/// A failed call says why, and by one of the codes that a caller is told to expect.
inline void check_fault(const Status& status, std::initializer_list<Code> expected) {
  if (status.ok()) return;
  FUZZ_CHECK(!status.message().empty());
  bool is_expected = false;
  for (const Code code : expected) is_expected = is_expected || status.code() == code;
  if (!is_expected) std::fprintf(stderr, "code %d: %s\n", static_cast<int>(status.code()), status.message().c_str());
  FUZZ_CHECK(is_expected);
}

}  // namespace switchyard::xccl::fuzz
