// AliveWords: how peers learn within milliseconds that this process died. The broker's thread writes its id into one word a peer in
// the control segment and puts these words on its robust list; when the thread ends in whatever way, the kernel marks each word
// with FUTEX_OWNER_DIED and wakes the peer's watcher (death_watcher.h). The list itself lies in private memory, so that no peer
// can damage it. Owned by the broker, used from its thread alone; that thread must hold no robust mutex of the C library.
#pragma once

#include <linux/futex.h>

#include <array>

#include "xccl/layout/ctrl_layout.h"

namespace switchyard::xccl {

class AliveWords {
 public:
  AliveWords() = default;
  AliveWords(const AliveWords&) = delete;

  /// From here on the words show this thread alive. Before the first handshake.
  void hold(CtrlFixed& fixed, uint32_t max_ranks);
  /// A deliberate end: the words become 0, and watchers see that their owner let go.
  void let_go();

 private:
  /// As far apart as the words, since the kernel finds a word at one fixed distance from its node.
  struct alignas(sizeof(AliveLine)) Node {
    robust_list list;
  };

  CtrlFixed* fixed_ = nullptr;
  uint32_t num_words_ = 0;
  std::array<Node, kNumRanksMax> nodes_{};
  robust_list_head head_{};
  robust_list_head* head_before_ = nullptr;  // the C library's
};

}  // namespace switchyard::xccl
