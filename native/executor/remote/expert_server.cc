#include "executor/remote/expert_server.h"

#include <algorithm>

#include "base/clock.h"
#include "base/thread.h"
#include "executor/remote/communicator_parts.h"

namespace switchyard::executor {
namespace {

constexpr auto kIdleWake = std::chrono::milliseconds(100);

}  // namespace

ExpertServer::ExpertServer(ExpertServerConfig config)
    : config_(std::move(config)),
      experts_(config_.placement.experts_of(static_cast<int32_t>(config_.communicator->rank()))),
      pool_(config_.num_threads, pin_workers_of(config_.communicator)),
      spans_(config_.on_span) {
  config_.communicator->expert()->set_placement(config_.placement.version, config_.placement.version);
  thread_ = start_quiet_thread("sy-expert", [this] { run(); });
}

ExpertServer::~ExpertServer() { close(); }

ExpertServerStats ExpertServer::stats() const { return {num_messages_.load(), num_pairs_.load(), compute_ns_.load()}; }

void ExpertServer::close() {
  is_closing_ = true;
  if (thread_.joinable()) thread_.join();
}

void ExpertServer::run() {
  pin_worker_of(*config_.communicator);
  std::vector<xccl::A2eView> views;
  while (!is_closing_) {
    views.clear();
    const Status status = config_.communicator->expert()->wait_any(xccl::deadline_in(kIdleWake), &views);
    if (status.ok()) {
      serve(&views);
    } else if (status.code() == Code::kTimeout) {
      spans_.end_all();
    } else {
      return;  // closed
    }
  }
}

/// Answers all messages, those of one layer together.
void ExpertServer::serve(std::vector<xccl::A2eView>* views) {
  std::stable_sort(views->begin(), views->end(),
                   [](const auto& a, const auto& b) { return a.event.layer < b.event.layer; });
  const auto is_refused = [&](const xccl::A2eView& view) {
    const Status status = check_view(view);
    // The sender may be gone by now: then there is nobody to tell.
    if (!status.ok()) (void)config_.communicator->expert()->fail(view, status.code());
    return !status.ok();
  };
  std::erase_if(*views, is_refused);
  for (size_t first = 0; first < views->size();) {
    size_t end = first + 1;
    while (end < views->size() && (*views)[end].event.layer == (*views)[first].event.layer) ++end;
    serve_layer(std::span(*views).subspan(first, end - first));
    first = end;
  }
}

/// XCCL has checked sums, bounds and placement version; what a message means is checked here.
Status ExpertServer::check_view(const xccl::A2eView& view) const {
  if (view.row_bytes != config_.spec.expert_row_bytes()) return {Code::kMismatch, "another row size"};
  if (view.expert_counts.size() != experts_.size()) return {Code::kMismatch, "another number of experts"};
  if (view.event.layer >= config_.spec.num_layers || !config_.spec.has_ffn_units(view.event.layer))
    return {Code::kInvalidArgument, "no such layer"};
  return {};
}

void ExpertServer::serve_layer(std::span<const xccl::A2eView> views) {
  LayerWork work{unix_now_ns(), 0, {config_.communicator->num_calls()}};
  const int64_t start = monotonic_now_ns();
  next_pair_.assign(views.size(), 0);
  for (size_t i = 0; i < experts_.size(); ++i) {
    collect_pairs(views, i);
    const bool is_enough = static_cast<int>(pairs_.size()) >= ExpertBank::kRowsTogether || i + 1 == experts_.size();
    if (!is_enough || pairs_.empty()) continue;
    run_together(views);
    config_.communicator->progress();
    config_.communicator->expert()->forward();
  }
  // A sender that died meanwhile gets no answer and needs none.
  for (const xccl::A2eView& view : views) (void)config_.communicator->expert()->finish(view);
  work.duration_ns = monotonic_now_ns() - start;
  work.calls.end = config_.communicator->num_calls();
  compute_ns_ += work.duration_ns;
  const bool is_last_layer = views.front().event.layer == config_.spec.num_layers - 1;
  for (const xccl::A2eView& view : views) {
    num_messages_ += 1;
    num_pairs_ += view.pair_rows.size();
    spans_.add(view, work);
    if (is_last_layer) spans_.end(view.rank);
  }
}

/// Adds one expert's pairs over all messages to those that are run together.
void ExpertServer::collect_pairs(std::span<const xccl::A2eView> views, size_t local_idx) {
  const size_t before = pairs_.size();
  for (size_t v = 0; v < views.size(); ++v) {
    const xccl::A2eView& view = views[v];
    for (uint32_t i = 0; i < view.expert_counts[local_idx]; ++i) {
      rows_.push_back(view.rows + static_cast<size_t>(view.pair_rows[next_pair_[v]]) * view.row_bytes);
      pairs_.push_back({v, next_pair_[v]++});
    }
  }
  if (pairs_.size() > before) together_.push_back({experts_[local_idx], static_cast<int>(pairs_.size() - before)});
}

void ExpertServer::run_together(std::span<const xccl::A2eView> views) {
  const size_t row_bytes = config_.spec.expert_row_bytes();
  if (out_.size() < rows_.size() * row_bytes) out_.resize(rows_.size() * row_bytes);
  config_.bank.run(&pool_, views.front().event.layer, together_, rows_, out_.data());
  for (size_t i = 0; i < pairs_.size(); ++i) {
    // PEER_DEAD is final for that message alone; finish() ends it.
    (void)config_.communicator->expert()->reply_row(views[pairs_[i].view_idx], pairs_[i].pair_idx,
                                                    &out_[i * row_bytes]);
  }
  together_.clear();
  pairs_.clear();
  rows_.clear();
}

}  // namespace switchyard::executor
