// run_group: the parent's side of a bench. Forks and pins the ranks, watches over them, reads the board when they have ended.
#include "xccl/bench/harness.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <deque>

#include "base/bench/cores.h"
#include "base/bench/stats.h"

namespace switchyard::xccl::bench {

namespace {

using switchyard::bench::allowed_cores;
using switchyard::bench::mean_of;
using switchyard::bench::pin_to_core;
using switchyard::bench::quantile_of;
using testing::ForkedPeer;
using testing::PrivateFolder;

constexpr timespec kLookEvery{0, 10'000'000};  // the parent shares the cores with the ranks that it watches
constexpr uint64_t kHugePageBytes = 2ull << 20;

/// Anonymous zeroed memory that forked processes share.
class SharedPages {
 public:
  explicit SharedPages(uint64_t num_bytes)
      : num_bytes_((num_bytes + kHugePageBytes) / kHugePageBytes * kHugePageBytes) {
    data_ = mmap(nullptr, num_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ != MAP_FAILED) madvise(data_, num_bytes_, MADV_HUGEPAGE);
  }
  ~SharedPages() {
    if (data_ != MAP_FAILED) munmap(data_, num_bytes_);
  }
  SharedPages(const SharedPages&) = delete;
  bool ok() const { return data_ != MAP_FAILED; }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  uint64_t num_bytes_;
  void* data_;
};

/// [num_ranks]
std::vector<uint32_t> cores_of_ranks(const GroupSpec& spec, const std::vector<int>& allowed) {
  std::vector<uint32_t> cores;
  for (uint32_t r = 0; r < spec.num_ranks; ++r) {
    const uint32_t idx = spec.core_of_rank.empty() ? r : spec.core_of_rank[r];
    cores.push_back(static_cast<uint32_t>(allowed[idx % allowed.size()]));
  }
  return cores;
}

std::vector<uint32_t> distinct(std::vector<uint32_t> cores) {
  std::ranges::sort(cores);
  const auto rest = std::ranges::unique(cores);
  cores.erase(rest.begin(), rest.end());
  return cores;
}

/// `cores` are those of all ranks. Threads that the rank's communicator starts stay on the rank's core.
Status run_rank(Rank& rank, const std::vector<uint32_t>& cores, const PrivateFolder& folder,
                const std::function<Status(Rank&)>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);  // the terminal's; the parent kills
  const uint32_t core = cores[rank.rank()];
  SWITCHYARD_RETURN_IF_ERROR(pin_to_core(static_cast<int>(core)));
  SWITCHYARD_RETURN_IF_ERROR(rank.open(folder, core, distinct(cores)));
  SWITCHYARD_RETURN_IF_ERROR(rank.barrier());
  SWITCHYARD_RETURN_IF_ERROR(body(rank));
  SWITCHYARD_RETURN_IF_ERROR(rank.barrier());  // nobody loses its peer while it still measures
  rank.close();
  return {};
}

volatile sig_atomic_t caught_signal = 0;

/// Ends a bench that was asked to go in good order: ranks killed, folder removed.
void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int number) { caught_signal = number; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

[[noreturn]] void burn(int core) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)pin_to_core(core);
  for (uint64_t count = 0;; ++count) keep(count);
}

Status failure_of(const SharedBoard& board) {
  if (board.has_failure.load()) return {board.failure_code, board.failure_text};
  return {Code::kInternal, "a rank failed and did not say why"};
}

/// Until all ranks have ended; what is left of them after a failure is killed by the caller.
Status watch_ranks(std::deque<ForkedPeer>& ranks, const SharedBoard& board, Deadline deadline) {
  for (size_t num_ended = 0; num_ended < ranks.size();) {
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      int wait_status = 0;
      if (!ranks[rank].has_ended(&wait_status)) continue;
      ++num_ended;
      if (WIFSIGNALED(wait_status)) {
        const std::string number = std::to_string(WTERMSIG(wait_status));
        return {Code::kInternal, "rank " + std::to_string(rank) + " was ended by signal " + number};
      }
    }
    if (board.has_failure.load()) break;
    if (std::chrono::steady_clock::now() >= deadline) return {Code::kTimeout, "the ranks did not end in time"};
    if (caught_signal != 0) return {Code::kClosed, "ended by signal " + std::to_string(caught_signal)};
    nanosleep(&kLookEvery, nullptr);
  }
  return board.num_failures.load() > 0 ? failure_of(board) : Status{};
}

void fill_report(SharedBoard& board, const Options& options, Report* report) {
  const uint64_t num_batches = board.num_batches;
  const std::span<double> all(board.samples_us, num_batches * options.num_repetitions);
  for (uint32_t repetition = 0; repetition < options.num_repetitions; ++repetition) {
    const double seconds = static_cast<double>(board.repetition_ns[repetition]) / 1e9;
    const double median = quantile_of(all.subspan(repetition * num_batches, num_batches), 0.5);
    report->values.push_back(board.is_rate ? static_cast<double>(num_batches * board.batch) / seconds : median);
  }
  if (board.is_rate) report->unit = "steps/s";
  report->mean_us = mean_of(all);
  report->p50_us = quantile_of(all, 0.5);
  report->p99_us = quantile_of(all, 0.99);
  report->num_samples = all.size();
  report->batch = board.batch;
  const uint32_t num_extras = std::min(board.num_extras.load(), kExtrasMax);
  for (uint32_t i = 0; i < num_extras; ++i) report->extras.emplace_back(board.extras[i].name, board.extras[i].value);
}

}  // namespace

Status run_group(const GroupSpec& spec, const Options& options, Report* report,
                 const std::function<Status(Rank&)>& body) {
  const std::vector<int> cores = allowed_cores();
  const SharedPages board_pages(sizeof(SharedBoard));
  const SharedPages shared(spec.shared_bytes);
  if (cores.empty() || !board_pages.ok() || !shared.ok()) return {Code::kIo, "no cores or no shared memory to be had"};
  // The pages are zeroed, which is a board's initial state; value-initialising it would touch every sample.
  auto& board = *new (board_pages.data()) SharedBoard;
  const PrivateFolder folder;
  const Deadline deadline = deadline_in(options.patience);
  std::deque<ForkedPeer> ranks;
  const std::vector<uint32_t> rank_cores = cores_of_ranks(spec, cores);
  for (uint32_t r = 0; r < spec.num_ranks; ++r) {
    ranks.emplace_back([&] {
      Rank rank(r, spec, options, board, shared.data());
      const Status status = run_rank(rank, rank_cores, folder, body);
      if (!status.ok()) board_fail(board, r, status);
    });
  }
  std::deque<ForkedPeer> burners;
  for (const uint32_t core : spec.busy_cores) burners.emplace_back([&] { burn(cores[core % cores.size()]); });
  watch_signals();
  const Status status = watch_ranks(ranks, board, deadline);
  if (!status.ok()) return status;
  if (board.num_batches == 0) return {Code::kInternal, "the case measured nothing"};
  fill_report(board, options, report);
  return {};
}

}  // namespace switchyard::xccl::bench
