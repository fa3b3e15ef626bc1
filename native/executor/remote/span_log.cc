#include "executor/remote/span_log.h"

#include <utility>

namespace switchyard::executor {

void SpanLog::add(const xccl::A2eView& view, const LayerWork& work) {
  if (const auto found = open_.find(view.rank); found != open_.end() && found->second.front().step != view.event.step)
    end(view.rank);
  if (view.traces.empty()) return;
  std::vector<ExpertSpan>& spans = open_[view.rank];
  if (spans.empty()) {
    for (const xccl::TraceRef& trace : view.traces)
      spans.push_back({trace, view.rank, view.event.step, work.start_unix_ns, 0, 0, 0, 0, work.calls});
  }
  for (ExpertSpan& span : spans) {
    span.duration_ns = work.start_unix_ns + work.duration_ns - span.start_unix_ns;
    span.compute_ns += work.duration_ns;
    span.calls.end = work.calls.end;
    span.num_layers += 1;
    span.num_pairs += static_cast<int>(view.pair_rows.size());
  }
}

void SpanLog::end(uint32_t rank) {
  const auto found = open_.find(rank);
  if (found == open_.end()) return;
  const std::vector<ExpertSpan> spans = std::move(found->second);
  open_.erase(found);
  for (const ExpertSpan& span : spans) on_span_(span);
}

void SpanLog::end_all() {
  while (!open_.empty()) end(open_.begin()->first);
}

}  // namespace switchyard::executor
