// Frames with anything in them, on a real connection: the input plays the other broker in a handshake, as dialer or listener. It
// may end in any state, but only with a reason, and what is linked is mapped.
#include <sys/socket.h>

#include <vector>

#include "xccl/broker/handshake.h"
#include "xccl/fuzz/fuzz_support.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint32_t kNumFramesMax = 4;

LocalRank& rank_of(uint32_t rank) {
  static const auto ranks = [] {
    std::array<std::unique_ptr<LocalRank>, 2> made;
    for (uint32_t r = 0; r < made.size(); ++r) {
      CommunicatorConfig config = small_config();
      config.rank = r;
      // Rank 1 is the newcomer, which dials.
      config.epoch = r + 1;
      config.ring = {2, 64};
      FUZZ_CHECK(LocalRank::create(config, &made[r]).ok());
    }
    return made;
  }();
  return *ranks[rank];
}

struct Connection {
  Connection() {
    int ends[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    ours = FileDescriptor(ends[0]);
    theirs = FileDescriptor(ends[1]);
  }
  FileDescriptor ours;
  FileDescriptor theirs;
};

/// `from` plays its part rightly until the input spoils the frame, its descriptors or its length.
void send_spoilt(Input& input, LocalRank& from, uint32_t to, FrameKind kind, const FileDescriptor& connection) {
  Frame frame = frame_from(from, kind, to, rank_of(to).config().epoch);
  const auto choice = input.take<uint8_t>();
  const uint32_t num_fds = kind == FrameKind::kSegments ? 3 : 0;
  std::vector<int> fds(choice % 16 == 1 ? choice / 16 % 4 : num_fds, from.ctrl().fd());
  if (fds.size() == kNumSegments) fds = {from.ctrl().fd(), from.app().fd(), from.zc().fd()};
  if (choice % 16 == 2) {
    // Another length: a part of a frame.
    (void)!send(connection.get(), &frame, input.take<uint16_t>() % sizeof(frame), MSG_NOSIGNAL);
    return;
  }
  if (choice % 16 == 3) {
    for (uint32_t i = input.take<uint8_t>() % 4; i > 0; --i)
      patch(input, reinterpret_cast<std::byte*>(&frame), sizeof(frame));
  }
  (void)send_frame(connection, frame, fds);
}

FrameKind kind_of(Input& input, FrameKind usual) {
  const auto choice = input.take<uint8_t>();
  return choice < 200 ? usual : static_cast<FrameKind>(choice - 200);
}

void check_end(Handshake& handshake) {
  if (handshake.state() == HandshakeState::kLinked) {
    const PeerMemory memory = handshake.take_memory();
    FUZZ_CHECK(memory.ctrl.size() == CtrlLayout({handshake.hello().shapes, handshake.hello().max_ranks}).total_bytes());
    FUZZ_CHECK(handshake.rank() < kNumRanksMax && memory.fixed().header.magic == kCtrlMagic);
  } else if (handshake.is_over()) {
    FUZZ_CHECK(handshake.code() != Code::kOk);
  }
}

void run(Input& input, Handshake handshake, LocalRank& from, uint32_t to, FrameKind first,
         const FileDescriptor& connection) {
  const FrameKind usual[kNumFramesMax] = {first, FrameKind::kSegments, FrameKind::kFarewell, FrameKind::kRefuse};
  for (uint32_t i = 0; i < kNumFramesMax && !handshake.is_over() && !input.is_empty(); ++i) {
    send_spoilt(input, from, to, kind_of(input, usual[i]), connection);
    handshake.advance(std::chrono::steady_clock::now());
  }
  check_end(handshake);
}

}  // namespace
}  // namespace switchyard::xccl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::xccl;
  using namespace switchyard::xccl::fuzz;
  Input input(data, size);
  Connection connection;
  if (input.take<uint8_t>() % 2 == 0) {
    PeerRecord record;
    record.spec.rank = 1;
    record.spec.epoch = 2;
    const auto judge = [&](const Frame& hello) { return judge_hello(rank_of(0), hello, record, false); };
    run(input, Handshake::listen_side(rank_of(0), std::move(connection.ours), judge), rank_of(1), 0, FrameKind::kHello,
        connection.theirs);
  } else {
    run(input, Handshake::dial_side(rank_of(1), std::move(connection.ours), 0, 1), rank_of(0), 1, FrameKind::kWelcome,
        connection.theirs);
  }
  return 0;
}
