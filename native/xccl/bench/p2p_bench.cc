// Point to point between two ranks, there and back: one way is reported. Each rank sends from one buffer and receives into another.
#include <cstring>

#include "xccl/bench/harness.h"
#include "xccl/messenger.h"
#include "xccl/telemetry/recorder.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint64_t kKiB = 1024;
constexpr RingShape kRing{16, 32 * kKiB};

/// Rank 0 acts `there`, rank 1 answers, `num_iterations` times. Both act with their own messenger.
template <class Send, class Receive>
Status ping_pong(const Rank& rank, uint64_t num_iterations, Send&& send, Receive&& receive) {
  for (uint64_t i = 0; i < num_iterations; ++i) {
    if (rank.rank() == 0) SWITCHYARD_RETURN_IF_ERROR(send());
    SWITCHYARD_RETURN_IF_ERROR(receive());
    if (rank.rank() == 1) SWITCHYARD_RETURN_IF_ERROR(send());
  }
  return {};
}

/// What is done to the messages besides: nothing, calls are counted, or each is written before it is sent and read when it has come.
enum class Use : uint8_t { kNone, kCounted, kWritten };

/// So that the sum of the words is needed.
void read_all(std::span<const std::byte> message) {
  uint64_t sum = 0;
  for (size_t at = 0; at + sizeof(sum) <= message.size(); at += sizeof(sum)) {
    uint64_t word = 0;
    std::memcpy(&word, message.data() + at, sizeof(word));
    sum += word;
  }
  keep(sum);
}

Status run_copy(uint64_t num_bytes, Use use, const Options& options, Report* report) {
  GroupSpec spec;
  spec.configure = [use](CommunicatorConfig& config) {
    config.ring = kRing;
    config.telemetry = use == Use::kCounted;
  };
  return run_group(spec, options, report, [num_bytes, use](Rank& rank) -> Status {
    Messenger& messenger = *rank.communicator().messenger();
    const uint32_t peer = 1 - rank.rank();
    const PageBuffer from(num_bytes);
    const PageBuffer to(num_bytes);
    int turn = 0;
    const auto send = [&] {
      if (use == Use::kWritten) std::memset(from.span().data(), ++turn, num_bytes);
      return messenger.send(peer, 1, from.span(), rank.deadline());
    };
    const auto receive = [&] {
      Status status = messenger.recv(peer, 1, to.span(), nullptr, rank.deadline());
      if (use == Use::kWritten) read_all(to.span());
      return status;
    };
    return rank.measure({.scale = 0.5, .sample_ns_min = 20'000},
                        [&](Batch& batch) { return ping_pong(rank, batch.num_iterations, send, receive); });
  });
}

Status run_zero_copy(uint64_t num_bytes, const Options& options, Report* report) {
  GroupSpec spec;
  spec.configure = [num_bytes](CommunicatorConfig& config) {
    config.ring = kRing;
    config.zc_bytes = 2 * num_bytes;
  };
  return run_group(spec, options, report, [num_bytes](Rank& rank) -> Status {
    Messenger& messenger = *rank.communicator().messenger();
    const uint32_t peer = 1 - rank.rank();
    const std::span<std::byte> zc = rank.communicator().zc();
    std::memset(zc.data(), 1, zc.size());
    Region region;
    SWITCHYARD_RETURN_IF_ERROR(messenger.register_region(RegionArea::kZc, 0, num_bytes, &region));
    const auto send = [&] { return messenger.send_zero_copy(peer, 1, region, rank.deadline()); };
    const auto receive = [&] {
      return messenger.recv(peer, 1, zc.subspan(num_bytes, num_bytes), nullptr, rank.deadline());
    };
    return rank.measure({.scale = 0.5, .sample_ns_min = 20'000},
                        [&](Batch& batch) { return ping_pong(rank, batch.num_iterations, send, receive); });
  });
}

/// What telemetry that is off adds to the way of a message: its send asks once. (So does its receive, while it has to wait anyway.)
Status run_questions(const Options& options, Report* report) {
  return run_group({.num_ranks = 1}, options, report, [](Rank& rank) -> Status {
    const Recorder recorder;
    return rank.measure({}, [&](Batch& batch) -> Status {
#pragma GCC unroll 16
      for (uint64_t i = 0; i < batch.num_iterations; ++i) {
        keep(recorder);
        if (recorder.is_on()) [[unlikely]]
          return {Code::kInternal, "telemetry is on"};
      }
      return {};
    });
  });
}

/// Payload and signal share a line, each direction in a zero-copy area of its own.
Status run_put(const Options& options, Report* report) {
  GroupSpec spec;
  spec.configure = [](CommunicatorConfig& config) {
    config.ring = kRing;
    config.zc_bytes = 4096;
  };
  return run_group(spec, options, report, [](Rank& rank) -> Status {
    Messenger& messenger = *rank.communicator().messenger();
    const uint32_t peer = 1 - rank.rank();
    uint64_t turn = 0;
    const auto send = [&] {
      return messenger.put_with_signal(peer, 0, std::as_bytes(std::span(&turn, 1)), sizeof(turn), turn);
    };
    const auto receive = [&] {
      if (rank.rank() == 1) ++turn;
      return messenger.wait_signal(peer, sizeof(turn), turn, rank.deadline());
    };
    const auto send_next = [&] {
      if (rank.rank() == 0) ++turn;
      return send();
    };
    return rank.measure({.scale = 0.5},
                        [&](Batch& batch) { return ping_pong(rank, batch.num_iterations, send_next, receive); });
  });
}

Case copy_case(const char* name, uint64_t num_bytes, Use use = Use::kNone) {
  return {name, [=](const Options& options, Report* report) { return run_copy(num_bytes, use, options, report); }};
}

Case zero_copy_case(const char* name, uint64_t num_bytes) {
  return {name,
          [num_bytes](const Options& options, Report* report) { return run_zero_copy(num_bytes, options, report); }};
}

const CaseTable table{
    copy_case("p2p-8B", 8),
    {"telemetry-off-8B", run_questions},
    copy_case("telemetry-on-8B", 8, Use::kCounted),
    {"put-8B", run_put},
    copy_case("p2p-36KiB", 36 * kKiB),
    copy_case("p2p-1152KiB", 1152 * kKiB),
    copy_case("p2p-9MiB", 9216 * kKiB),
    copy_case("p2p-36KiB-written", 36 * kKiB, Use::kWritten),
    copy_case("p2p-1152KiB-written", 1152 * kKiB, Use::kWritten),
    zero_copy_case("p2p-zerocopy-1152KiB", 1152 * kKiB),
    zero_copy_case("p2p-zerocopy-9MiB", 9216 * kKiB),
};

}  // namespace

}  // namespace switchyard::xccl::bench
