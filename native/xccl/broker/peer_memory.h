// PeerMemory: a peer's three segments as mapped here, adopted from the descriptors of its kSegments frame after every check
// that D5 asks for. Made by the handshake, owned by the link.
#pragma once

#include <vector>

#include "xccl/broker/frames.h"
#include "xccl/broker/unix_socket.h"
#include "xccl/layout/ctrl_layout.h"
#include "xccl/segment/segment.h"

namespace switchyard::xccl {

struct PeerMemory {
  Segment ctrl;
  Segment app;
  Segment zc;

  CtrlFixed& fixed() const { return *reinterpret_cast<CtrlFixed*>(ctrl.data()); }
};

/// `hello` is the peer's kHello or kWelcome: the segments must be what it announced. Takes the descriptors. Corrupt otherwise.
Status adopt_peer_memory(const Frame& hello, std::vector<FileDescriptor>& fds, PeerMemory* out);

}  // namespace switchyard::xccl
