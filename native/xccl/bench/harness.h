// Runs a bench case on forked, pinned ranks: each has a communicator linked to all others, a start barrier and a place for
// results in shared memory. Called by the cases (*_bench.cc). It measures; what is measured is the case's.
//
//   return run_group({.num_ranks = 2}, options, report, [](Rank& rank) -> Status {
//     ... make buffers, register ...
//     return rank.measure({.scale = 0.5}, [&](Batch& batch) -> Status { for (n < batch.num_iterations) ... });
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bench/case.h"
#include "xccl/api.h"
#include "xccl/bench/board.h"
#include "xccl/layout/units.h"
#include "xccl/process_support.h"

namespace switchyard::xccl::bench {

using switchyard::bench::Case;
using switchyard::bench::CaseTable;
using switchyard::bench::Options;
using switchyard::bench::Report;

struct GroupSpec {
  uint32_t num_ranks = 2;
  /// Index into this process's allowed cores, modulo their number; empty: rank r on core r.
  std::vector<uint32_t> core_of_rank{};
  /// Cores, numbered likewise, on each of which a process that is no rank takes all the time that it gets.
  std::vector<uint32_t> busy_cores{};
  /// Changes the configuration of every rank's communicator; null: the ranks have none.
  std::function<void(CommunicatorConfig&)> configure{};
  /// Zeroed memory that all ranks see at the same address, in huge pages where the system has them.
  uint64_t shared_bytes = 0;
};

/// What a sample is. The harness chooses the number of iterations a sample so that it takes `sample_ns_min`.
struct Sampling {
  double scale = 1.0;  // 0.5: an iteration is there and back, and one way is reported
  uint64_t sample_ns_min = 100'000;
  bool is_rate = false;  // values are iterations a second of the slowest rank ("steps/s") instead of medians in us
};

/// Handed to the measured operation, which does `num_iterations` iterations. One that measures just a part of itself says how
/// long that took in `own_ns`.
struct Batch {
  uint64_t num_iterations = 0;
  uint64_t own_ns = 0;
};

/// One rank of the group, in its own process.
class Rank {
 public:
  Rank(uint32_t rank, const GroupSpec& spec, const Options& options, SharedBoard& board, std::byte* shared);

  uint32_t rank() const { return rank_; }
  uint32_t num_ranks() const { return spec_.num_ranks; }
  /// Only in a group with `configure`.
  Communicator& communicator() const { return *communicator_; }
  const std::shared_ptr<Communicator>& member() const { return communicator_; }
  std::span<std::byte> shared() const { return {shared_, spec_.shared_bytes}; }
  /// The end of the whole case, for every wait in it.
  Deadline deadline() const { return deadline_; }

  /// Returns when all ranks are here. Closed when another one has failed.
  Status barrier();

  using Operation = std::function<Status(Batch&)>;
  /// Called by every rank with the same sampling, once a case: warms up, then times the repetitions. `operation` runs on every
  /// rank with the same numbers of iterations; rank 0's time is what is reported.
  Status measure(const Sampling& sampling, const Operation& operation);

  /// A further figure of the report. From one rank a name.
  void report_extra(const char* name, double value);

  /// For the harness. `core` is where this rank runs, `refuge_cores` those of all ranks.
  Status open(const testing::PrivateFolder& folder, uint32_t core, const std::vector<uint32_t>& refuge_cores);
  void close();

 private:
  Status plan(const Sampling& sampling, const Operation& operation);
  void plan_after_round(const Sampling& sampling, const Batch& round, uint64_t round_ns, uint64_t warm_ns);
  Status run_repetition(uint32_t repetition, const Sampling& sampling, const Operation& operation);

  uint32_t rank_;
  const GroupSpec& spec_;
  const Options& options_;
  SharedBoard& board_;
  std::byte* shared_;
  Deadline deadline_;
  std::shared_ptr<Communicator> communicator_;
  double iteration_ns_ = 1e12;        // of the quickest warming round
  double timed_iteration_ns_ = 1e12;  // the same, where the operation measures a part of itself
};

/// Forks the ranks, runs `body` in each, ends and reaps them all. The first failure of a rank is the result's text.
Status run_group(const GroupSpec& spec, const Options& options, Report* report,
                 const std::function<Status(Rank&)>& body);

/// Page-aligned, as a receiver's real buffers are: where a destination lies a few bytes beyond its source, modulo a page, as a vector's
/// memory does, `rep movsb` (glibc's memcpy on Zen 3) takes 3 to 15 times as long. Touched, so that no page fault is measured.
class PageBuffer {
 public:
  explicit PageBuffer(size_t num_bytes)
      : num_bytes_(num_bytes),
        data_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, round_up(num_bytes, kPageBytes)))) {
    std::memset(data_.get(), 1, num_bytes);
  }
  std::span<std::byte> span() const { return {data_.get(), num_bytes_}; }
  std::byte* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  size_t num_bytes_;
  std::unique_ptr<std::byte, Free> data_;
};

/// How a waiting loop of a bench passes a moment when nobody else wants its core.
inline void spin_pause() { __builtin_ia32_pause(); }

/// Compiler barrier: the value counts as used.
template <class Value>
inline void keep(const Value& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace switchyard::xccl::bench
