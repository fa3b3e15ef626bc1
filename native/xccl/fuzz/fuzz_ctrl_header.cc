// A peer's announcement and its control segment's header with anything in them: what the handshake checks before it links. What is
// accepted must be mapped as far as its layout reaches.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "xccl/broker/handshake.h"
#include "xccl/fuzz/fuzz_support.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint64_t kSegmentBytesMax = 1 << 20;

CommunicatorConfig full_config(uint32_t rank) {
  CommunicatorConfig config = small_config();
  config.rank = rank;
  config.exchange = {.max_tokens = 2, .row_bytes = 8, .top_k = 2, .max_local_experts = 2};
  config.ring = {2, 64};
  config.group = {1, 0, 64};
  return config;
}

LocalRank& rank_of(uint32_t rank) {
  static const auto ranks = [] {
    std::array<std::unique_ptr<LocalRank>, 2> made;
    for (uint32_t r = 0; r < made.size(); ++r) FUZZ_CHECK(LocalRank::create(full_config(r), &made[r]).ok());
    return made;
  }();
  return *ranks[rank];
}

/// A descriptor of `num_bytes` that begins with `header` and has some seals; perhaps none at all.
FileDescriptor make_segment(Input& input, uint64_t num_bytes, const CtrlHeader* header) {
  const auto choice = input.take<uint8_t>();
  if (choice == 1) return FileDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC));
  FileDescriptor fd(memfd_create("switchyard-fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  // An announced size is believed up to what this process can afford.
  const uint64_t real_bytes =
      choice == 2 ? input.take<uint16_t>() : std::clamp(round_up(num_bytes, kPageBytes), kPageBytes, kSegmentBytesMax);
  FUZZ_CHECK(ftruncate(fd.get(), static_cast<off_t>(real_bytes)) == 0);
  if (header) FUZZ_CHECK(pwrite(fd.get(), header, sizeof(*header), 0) == sizeof(*header));
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE;
  const int left_out = choice == 3 ? 1 << input.take<uint8_t>() % 5 : 0;
  // The owner of ctrl and zc lets its peers write.
  const int wanted = header ? all & ~F_SEAL_FUTURE_WRITE : all;
  FUZZ_CHECK(fcntl(fd.get(), F_ADD_SEALS, wanted & ~left_out) == 0);
  return fd;
}

/// Reads the first and the last byte of what was accepted.
void touch(const Segment& segment) {
  if (segment.size() == 0) return;
  volatile std::byte sink = segment.data()[0];
  sink = segment.data()[segment.size() - 1];
  (void)sink;
}

}  // namespace
}  // namespace switchyard::xccl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::xccl;
  using namespace switchyard::xccl::fuzz;
  Input input(data, size);
  LocalRank& own = rank_of(0);
  LocalRank& peer = rank_of(1);
  Input choices(data + size / 2, size - size / 2);
  Frame hello = frame_from(peer, FrameKind::kHello, 0, 1);
  CtrlHeader header = peer.fixed().header;
  const bool is_hello_spoilt = input.take<uint8_t>() % 2 == 0;
  if (is_hello_spoilt) {
    input.spoil(&hello);
  } else {
    input.spoil(&header);
  }
  if (!check_identity(own, hello).ok()) return 0;
  std::vector<FileDescriptor> fds;
  fds.push_back(make_segment(choices, hello.ctrl_bytes, &header));
  fds.push_back(make_segment(choices, hello.app_bytes, nullptr));
  fds.push_back(make_segment(choices, hello.zc_bytes, nullptr));
  if (choices.take<uint8_t>() == 1) fds.pop_back();
  PeerMemory memory;
  const switchyard::Status status = adopt_peer_memory(hello, fds, &memory);
  check_fault(status, {switchyard::Code::kCorrupt, switchyard::Code::kIo});
  if (!status.ok()) return 0;
  FUZZ_CHECK(memory.ctrl.size() == CtrlLayout({hello.shapes, hello.max_ranks}).total_bytes());
  FUZZ_CHECK(memory.app.size() == hello.app_bytes && memory.zc.size() == hello.zc_bytes);
  FUZZ_CHECK(header.rank == hello.from_rank && header.epoch == hello.from_epoch);
  for (const Segment* segment : {&memory.ctrl, &memory.app, &memory.zc}) touch(*segment);
  return 0;
}
