// The limits that XCCL's figures are held against: what a cache line takes from core to core, what it takes until all ranks have
// run once, one memcpy of each payload size, hot (the buffers that a ping-pong uses again and again) and cold (never the same
// bytes within 256 MiB), and a payload's way through a shared buffer: one core writes it, another reads it.
#include <sched.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "xccl/bench/harness.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kColdBytes = 256ull << 20;

/// One word for each direction.
struct Word {
  alignas(128) std::atomic<uint64_t> value;
};
struct Lines {
  Word apart[2];                    // in lines of their own, as any two buffers are
  std::atomic<uint64_t> shared[2];  // both in one line, which a message between two buffers cannot have
};

/// Plain spinning, with nothing between the looks but a pause: false after the deadline.
bool await_value(const std::atomic<uint64_t>& word, uint64_t value, Deadline deadline) {
  for (uint64_t num_looks = 1; word.load(std::memory_order_acquire) < value; ++num_looks) {
    spin_pause();
    if (num_looks % 1'000'000 == 0 && std::chrono::steady_clock::now() >= deadline) return false;
  }
  return true;
}

Lines& lines_of(const Rank& rank) { return *reinterpret_cast<Lines*>(rank.shared().data()); }

/// `act` runs on rank 0, then on rank 1, and so on in turns: `num_turns` on each rank, passed on by `mine` and `theirs`.
template <class Act>
Status take_turns(const Rank& rank, uint64_t num_turns, std::atomic<uint64_t>& mine,
                  const std::atomic<uint64_t>& theirs, Act&& act) {
  const Status late{Code::kTimeout, "the other rank's turn did not end"};
  for (uint64_t i = 0; i < num_turns; ++i) {
    const uint64_t turn = mine.load(std::memory_order_relaxed) + 1;
    if (rank.rank() == 1 && !await_value(theirs, turn, rank.deadline())) return late;
    act();
    mine.store(turn, std::memory_order_release);
    if (rank.rank() == 0 && !await_value(theirs, turn, rank.deadline())) return late;
  }
  return {};
}

template <class Act>
Status take_turns(const Rank& rank, uint64_t num_turns, Act&& act) {
  Word(&apart)[2] = lines_of(rank).apart;
  return take_turns(rank, num_turns, apart[1 - rank.rank()].value, apart[rank.rank()].value, act);
}

Status run_cache_line(const Options& options, Report* report) {
  return run_group({.shared_bytes = sizeof(Lines)}, options, report, [](Rank& rank) {
    return rank.measure({.scale = 0.5}, [&](Batch& batch) { return take_turns(rank, batch.num_iterations, [] {}); });
  });
}

Status run_one_line(const Options& options, Report* report) {
  return run_group({.shared_bytes = sizeof(Lines)}, options, report, [](Rank& rank) {
    std::atomic<uint64_t>(&shared)[2] = lines_of(rank).shared;
    return rank.measure({.scale = 0.5}, [&](Batch& batch) {
      return take_turns(rank, batch.num_iterations, shared[1 - rank.rank()], shared[rank.rank()], [] {});
    });
  });
}

/// Every rank once on its core, which a call that needs something of all ranks takes at least where ranks outnumber cores.
template <uint32_t num_ranks>
Status run_switches(const Options& options, Report* report) {
  return run_group({.num_ranks = num_ranks}, options, report, [](Rank& rank) {
    return rank.measure({.sample_ns_min = 2'000'000}, [](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i) sched_yield();
      return {};
    });
  });
}

uint64_t timed_copy_ns(std::byte* to, const std::byte* from, uint64_t num_bytes) {
  const auto start = std::chrono::steady_clock::now();
  std::memcpy(to, from, num_bytes);
  keep(*to);
  const auto span = std::chrono::steady_clock::now() - start;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(span).count());
}

/// As a zero-copy ping-pong: each rank copies from its own buffer into the other one's, and nobody looks at the bytes.
Status run_hot_copy(uint64_t num_bytes, const Options& options, Report* report) {
  const uint64_t shared_bytes = sizeof(Lines) + 4 * num_bytes;
  return run_group({.shared_bytes = shared_bytes}, options, report, [num_bytes](Rank& rank) {
    std::byte* buffers = rank.shared().data() + sizeof(Lines);
    const std::byte* from = buffers + rank.rank() * num_bytes;
    std::byte* to = buffers + (2 + rank.rank()) * num_bytes;
    std::memset(buffers + rank.rank() * num_bytes, 1, num_bytes);
    return rank.measure({.sample_ns_min = 20'000}, [&](Batch& batch) {
      return take_turns(rank, batch.num_iterations, [&] { batch.own_ns += timed_copy_ns(to, from, num_bytes); });
    });
  });
}

/// One rank walks over source and destination, so that no byte is in a cache when its turn comes.
Status run_cold_copy(uint64_t num_bytes, const Options& options, Report* report) {
  return run_group({.num_ranks = 1, .shared_bytes = 2 * kColdBytes}, options, report, [num_bytes](Rank& rank) {
    std::byte* from = rank.shared().data();
    std::byte* to = from + kColdBytes;
    std::memset(from, 1, 2 * kColdBytes);
    uint64_t at = 0;
    return rank.measure({.sample_ns_min = 20'000}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i) {
        batch.own_ns += timed_copy_ns(to + at, from + at, num_bytes);
        at = at + 2 * num_bytes <= kColdBytes ? at + num_bytes : 0;
      }
      return {};
    });
  });
}

/// One payload in pieces, so that both cores work at a time; `use` copies the piece at `offset`.
constexpr uint64_t kPieceBytes = 8 * kKiB;

template <class Use>
void for_each_piece(uint64_t num_bytes, Use&& use) {
  for (uint64_t offset = 0; offset < num_bytes; offset += kPieceBytes)
    use(offset, std::min(kPieceBytes, num_bytes - offset));
}

/// A ping-pong of copies into a buffer that both know and out of it, with nothing else but a count of pieces: what a payload costs
/// that the receiver may not read where it lies.
Status run_handover(uint64_t num_bytes, const Options& options, Report* report) {
  const uint64_t shared_bytes = sizeof(Lines) + 2 * num_bytes;
  return run_group({.shared_bytes = shared_bytes}, options, report, [num_bytes](Rank& rank) {
    const uint32_t me = rank.rank();
    std::byte* buffers = rank.shared().data() + sizeof(Lines);
    std::byte* const to = buffers + me * num_bytes;
    const std::byte* const from = buffers + (1 - me) * num_bytes;
    std::vector<std::byte> own(num_bytes, std::byte{1});
    std::vector<std::byte> taken(num_bytes);
    std::atomic<uint64_t>& num_given = lines_of(rank).apart[me].value;
    const std::atomic<uint64_t>& num_theirs = lines_of(rank).apart[1 - me].value;
    uint64_t num_taken = 0;
    bool is_late = false;
    const auto give = [&] {
      for_each_piece(num_bytes, [&](uint64_t offset, uint64_t length) {
        std::memcpy(to + offset, own.data() + offset, length);
        num_given.fetch_add(1, std::memory_order_release);
      });
    };
    const auto take = [&] {
      for_each_piece(num_bytes, [&](uint64_t offset, uint64_t length) {
        is_late = is_late || !await_value(num_theirs, ++num_taken, rank.deadline());
        std::memcpy(taken.data() + offset, from + offset, length);
        keep(taken[offset]);
      });
    };
    return rank.measure({.scale = 0.5}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations && !is_late; ++i) {
        if (me == 0) give();
        take();
        if (me == 1) give();
      }
      return is_late ? Status(Code::kTimeout, "the other rank gave nothing") : Status();
    });
  });
}

Case handover(const char* name, uint64_t num_bytes) {
  return {name,
          [num_bytes](const Options& options, Report* report) { return run_handover(num_bytes, options, report); }};
}

Case hot_copy(const char* name, uint64_t num_bytes) {
  return {name,
          [num_bytes](const Options& options, Report* report) { return run_hot_copy(num_bytes, options, report); }};
}

Case cold_copy(const char* name, uint64_t num_bytes) {
  return {name,
          [num_bytes](const Options& options, Report* report) { return run_cold_copy(num_bytes, options, report); }};
}

const CaseTable table{
    {"limit-cacheline", run_cache_line},
    {"limit-cacheline-shared", run_one_line},
    {"limit-switch-4r", run_switches<4>},
    {"limit-switch-8r", run_switches<8>},
    hot_copy("limit-memcpy-36KiB", 36 * kKiB),
    hot_copy("limit-memcpy-1152KiB", 1152 * kKiB),
    hot_copy("limit-memcpy-9MiB", 9216 * kKiB),
    handover("limit-handover-36KiB", 36 * kKiB),
    handover("limit-handover-1152KiB", 1152 * kKiB),
    handover("limit-handover-9MiB", 9216 * kKiB),
    cold_copy("limit-memcpy-36KiB-cold", 36 * kKiB),
    cold_copy("limit-memcpy-1152KiB-cold", 1152 * kKiB),
    cold_copy("limit-memcpy-9MiB-cold", 9216 * kKiB),
};

}  // namespace

}  // namespace switchyard::xccl::bench
