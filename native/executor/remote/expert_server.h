// The persistent loop of an expert rank: takes A2E messages of whatever attention ranks have sent for a layer, runs its experts over all of
// them together, answers each. Wakes on the first arrival; a slow or dead attention rank delays nobody else (D4).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "executor/blocks/expert_bank.h"
#include "executor/remote/placement.h"
#include "executor/remote/span_log.h"
#include "xccl/api.h"

namespace switchyard::executor {

struct ExpertServerConfig {
  ModelSpec spec;
  ExpertPlacement placement;  // checked against spec and communicator
  ExpertBank bank;            // holds this rank's experts
  std::shared_ptr<xccl::Communicator> communicator;
  std::function<void(ExpertSpan)> on_span;  // on the server's thread; must not block
  int num_threads = 1;                      // that compute
};

struct ExpertServerStats {
  uint64_t num_messages = 0;
  uint64_t num_pairs = 0;
  uint64_t compute_ns = 0;
};

class ExpertServer {
 public:
  explicit ExpertServer(ExpertServerConfig config);
  ~ExpertServer();
  ExpertServer(const ExpertServer&) = delete;
  ExpertServer& operator=(const ExpertServer&) = delete;

  /// Any thread.
  ExpertServerStats stats() const;
  /// Joins the loop, within about 100 ms. Idempotent.
  void close();

 private:
  /// A pair of one of the messages at hand.
  struct PairRef {
    size_t view_idx;
    uint32_t pair_idx;
  };

  void run();
  void serve(std::vector<xccl::A2eView>* views);
  void serve_layer(std::span<const xccl::A2eView> views);
  Status check_view(const xccl::A2eView& view) const;
  void collect_pairs(std::span<const xccl::A2eView> views, size_t local_idx);
  void run_together(std::span<const xccl::A2eView> views);

  ExpertServerConfig config_;
  std::vector<int32_t> experts_;  // local index to id
  ThreadPool pool_;
  SpanLog spans_;
  std::vector<uint32_t> next_pair_;     // [view]: first pair of the expert at hand
  std::vector<ExpertRows> together_;    // experts that are run at once
  std::vector<PairRef> pairs_;          // theirs
  std::vector<const std::byte*> rows_;  // [pairs_]
  std::vector<std::byte> out_;          // [pairs_][expert_row_bytes]
  std::atomic<uint64_t> num_messages_{0};
  std::atomic<uint64_t> num_pairs_{0};
  std::atomic<uint64_t> compute_ns_{0};
  std::atomic<bool> is_closing_{false};
  std::thread thread_;
};

}  // namespace switchyard::executor
