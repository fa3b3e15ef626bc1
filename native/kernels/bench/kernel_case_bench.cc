// The measuring loop of kernel cases, and the memory that their operands lie in.
#include "kernels/bench/kernel_case.h"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/bench/cores.h"
#include "base/bench/stats.h"
#include "base/clock.h"
#include "base/philox.h"

namespace switchyard::bench {

namespace {

constexpr int64_t kSampleNsMin = 30'000;
constexpr double kWarmShare = 0.2;  // of the measured time, on top of it

/// Holds this thread on the first core that it may use; other cases may have them all again.
class Pinned {
 public:
  Pinned() {
    has_before_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
    const std::vector<int> cores = allowed_cores();
    if (!cores.empty()) status_ = pin_to_core(cores.front());
  }
  ~Pinned() {
    if (has_before_) sched_setaffinity(0, sizeof before_, &before_);
  }
  Pinned(const Pinned&) = delete;
  const Status& status() const { return status_; }

 private:
  cpu_set_t before_;
  bool has_before_;
  Status status_;
};

int64_t timed_ns(const KernelRun& run, uint64_t num_runs) {
  const int64_t start_ns = monotonic_now_ns();
  run(num_runs);
  return monotonic_now_ns() - start_ns;
}

/// Runs a sample, once caches and clocks are warm.
uint64_t choose_batch(const KernelRun& run, double warm_ns) {
  uint64_t batch = 1;
  double total_ns = 0;
  for (;;) {
    const int64_t ns = timed_ns(run, batch);
    total_ns += static_cast<double>(ns);
    if (ns < kSampleNsMin) {
      batch *= 2;
    } else if (total_ns >= warm_ns) {
      return batch;
    }
  }
}

/// `num_units` a run, in 1e9 a second: a run of so many ns gives the rate num_units / ns.
void measure(const KernelRun& run, double num_units, const Options& options, Report* report) {
  const double total_ns = options.seconds * 1e9;
  report->batch = choose_batch(run, kWarmShare * total_ns);
  std::vector<double> all_us;
  std::vector<double> samples_us;
  for (uint32_t i = 0; i < options.num_repetitions; ++i) {
    samples_us.clear();
    double left_ns = total_ns / options.num_repetitions;
    while (left_ns > 0) {
      const auto ns = static_cast<double>(timed_ns(run, report->batch));
      samples_us.push_back(ns / 1e3 / static_cast<double>(report->batch));
      left_ns -= ns;
    }
    report->values.push_back(num_units / (quantile_of(samples_us, 0.5) * 1e3));
    all_us.insert(all_us.end(), samples_us.begin(), samples_us.end());
  }
  report->p50_us = quantile_of(all_us, 0.5);
  report->p99_us = quantile_of(all_us, 0.99);
  report->mean_us = mean_of(all_us);
  report->num_samples = all_us.size();
}

const char* text_of(RateUnit unit) {
  switch (unit) {
    case RateUnit::kGflops:
      return "GFLOP/s";
    case RateUnit::kGops:
      return "GOP/s";
    case RateUnit::kGbytes:
      return "GB/s";
  }
  return "";
}

Status run_bench(const KernelBench& bench, const Options& options, Report* report) {
  const Pinned pinned;
  SWITCHYARD_RETURN_IF_ERROR(pinned.status());
  const KernelWork& work = bench.work;
  report->unit = text_of(bench.unit);
  measure(bench.make(), bench.unit == RateUnit::kGbytes ? work.bytes : work.operations, options, report);
  report->extras = {
      {"operations", work.operations}, {"bytes", work.bytes}, {"span", static_cast<double>(work.span_bytes)}};
  return {};
}

Case named_case(std::string name, const KernelBench& bench) {
  return {std::move(name),
          [bench](const Options& options, Report* report) { return run_bench(bench, options, report); }};
}

/// Numbers of 0.03 to 0.125 and their negatives: the upper half of a binary32 is a bf16, so a pair of them serves as both.
uint16_t ordinary_half(uint32_t random) {
  return static_cast<uint16_t>(0x3d00u + (random & 0xffu) + ((random & 0x100u) << 7));
}

constexpr size_t kPatternBytes = size_t{1} << 20;

void fill_pattern(std::byte* to) {
  for (size_t at = 0; at < kPatternBytes; at += 16) {
    const auto words = philox4x32({static_cast<uint32_t>(at), 0, 0, 0}, {0, 0});
    for (size_t i = 0; i < 8; ++i) {
      const uint16_t half = ordinary_half(words[i / 2] >> i % 2 * 16);
      std::memcpy(to + at + 2 * i, &half, sizeof half);
    }
  }
}

}  // namespace

Case case_of(const KernelBench& bench, const std::string& form) {
  return named_case("kernels/" + bench.name + "/" + form, bench);
}

Case limit_case_of(const KernelBench& bench) { return named_case("limits/" + bench.name, bench); }

const std::byte* ordinary_bytes(size_t num_bytes) {
  static std::byte* memory = nullptr;
  static size_t num_filled = 0;
  if (!memory) {
    void* pages = mmap(nullptr, kColdBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED || num_bytes > kColdBytes) std::abort();
    memory = static_cast<std::byte*>(pages);
    fill_pattern(memory);
    num_filled = kPatternBytes;
  }
  for (; num_filled < num_bytes; num_filled += kPatternBytes) std::memcpy(memory + num_filled, memory, kPatternBytes);
  return memory;
}

std::vector<float> ordinary_floats(size_t count) {
  const auto* from = reinterpret_cast<const float*>(ordinary_bytes(std::min(count * sizeof(float), kColdBytes)));
  return {from, from + count};
}

}  // namespace switchyard::bench
