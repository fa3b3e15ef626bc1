// Pulls bytes out of a peer's app or zc area: for messages that come by name and for one-sided get. Large ones by the copy path that the
// table chooses and by the copy threads, where the fabric can map; piece by piece with a look for the peer's death in between.
#pragma once

#include <span>

#include "xccl/copy/copy_pool.h"
#include "xccl/copy/copy_table.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class Puller {
 public:
  explicit Puller(LocalRank& local) : local_(local), pool_(local.config().num_copy_threads) {}

  /// InvalidArgument out of bounds, Timeout, or PeerDead, whose text is the caller's: dst is then to be thrown away.
  Status pull(const LinkRef& link, Area area, uint64_t offset, std::span<std::byte> dst, Deadline deadline);
  CopyPath path_of(uint64_t num_bytes) const { return copy_path_of(local_.config().copy_mode, num_bytes); }
  void stop() { pool_.stop(); }

 private:
  Status pull_piece(Fabric& fabric, Area area, uint64_t offset, std::span<std::byte> dst, CopyPath path);

  LocalRank& local_;
  CopyPool pool_;
};

}  // namespace switchyard::xccl
