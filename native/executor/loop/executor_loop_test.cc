// The thread around the core: acknowledgements, refusals at the door, sleep, closing.
#include "executor/loop/executor_loop.h"

#include <sys/resource.h>

#include "executor/test_support.h"

using namespace switchyard;
using namespace switchyard::executor;
using namespace switchyard::executor::testing;

namespace {

/// Collects events and waits for what a test wants of them.
class Events {
 public:
  void add(StepEvent event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }

  template <typename Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return condition(events_); });
  }

  size_t count() {
    std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<StepEvent> events_;
};

Plan plan_of(uint64_t plan_seq, uint64_t epoch = 1) {
  Plan plan;
  plan.master_epoch = epoch;
  plan.plan_seq = plan_seq;
  plan.max_prefill_tokens = 64;
  return plan;
}

bool acknowledges(const std::vector<StepEvent>& events, uint64_t plan_seq) {
  return !events.empty() && events.back().applied_plan_seq == plan_seq;
}

double thread_cpu_ms() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

}  // namespace

TEST(loop_acknowledges_plans_without_steps_and_sleeps_in_between) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  Events events;
  ExecutorLoop loop(make_config(spec, weights), [&](StepEvent event) { events.add(std::move(event)); });
  CHECK(loop.submit(plan_of(1)).ok());
  CHECK(events.wait_for([](const auto& all) { return acknowledges(all, 1); }));
  Plan starving = plan_of(2);
  SequenceSpec& sequence = starving.add.emplace_back();
  sequence.seq_id = 4;
  sequence.tokens = {1, 2, 3};
  sequence.num_prompt_tokens = 3;
  CHECK(loop.submit(std::move(starving)).ok());
  CHECK(events.wait_for(
      [](const auto& all) { return acknowledges(all, 2) && all.back().starved == std::vector<uint64_t>{4}; }));
  const size_t count = events.count();
  const double before = thread_cpu_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(events.count() == count);
  CHECK(thread_cpu_ms() - before < 50.0);
}

TEST(loop_refuses_plans_out_of_order) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  Events events;
  ExecutorLoop loop(make_config(spec, weights), [&](StepEvent event) { events.add(std::move(event)); });
  CHECK(loop.submit(plan_of(1, 0)).code() == Code::kInvalidArgument);
  CHECK(loop.submit(plan_of(5, 2)).ok());
  CHECK(loop.submit(plan_of(7, 2)).code() == Code::kInvalidArgument);
  CHECK(loop.submit(plan_of(5, 2)).code() == Code::kInvalidArgument);
  CHECK(loop.submit(plan_of(6, 1)).code() == Code::kStale);
  CHECK(loop.submit(plan_of(6, 2)).ok());
  CHECK(loop.submit(plan_of(1, 3)).ok());
  CHECK(events.wait_for([](const auto& all) { return !all.empty() && all.back().master_epoch == 3; }));
  loop.close();
  CHECK(loop.submit(plan_of(2, 3)).code() == Code::kClosed);
}

TEST(loop_streams_tokens_while_plans_come) {
  Random random(test::seed());
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  const Job job{{5, 6, 7, 8, 9}, 30, {.temperature = 1.0f, .seed = 9, .logprobs = true}};
  const auto expected = run_alone(spec, weights, job);
  Events events;
  ExecutorLoop loop(make_config(spec, weights), [&](StepEvent event) { events.add(std::move(event)); });
  for (uint64_t i = 1; i <= 10; ++i) {
    Plan plan = plan_of(i);
    SequenceSpec& sequence = plan.add.emplace_back();
    sequence.seq_id = i;
    sequence.tokens = job.prompt;
    sequence.num_prompt_tokens = static_cast<int>(job.prompt.size());
    sequence.sampling = job.sampling;
    sequence.max_new_tokens = job.max_new_tokens;
    for (int b = 0; b < 5; ++b) sequence.blocks.push_back(static_cast<int32_t>((i - 1) * 5 + b));
    CHECK(loop.submit(std::move(plan)).ok());
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
  }
  const auto num_finished = [](const std::vector<StepEvent>& all) {
    size_t count = 0;
    for (const StepEvent& event : all) count += event.finished.size();
    return count;
  };
  CHECK(events.wait_for([&](const auto& all) { return num_finished(all) == 10; }));
  loop.close();
  std::vector<size_t> seen(11);
  events.wait_for([&](const auto& all) {
    for (const StepEvent& event : all) {
      for (const StepToken& token : event.tokens) CHECK(same_token(token.token, expected[seen[token.seq_id]++]));
    }
    return true;
  });
  for (size_t i = 1; i <= 10; ++i) CHECK(seen[i] == expected.size());
}

TEST(loop_closes_in_the_middle_of_work) {
  const ModelSpec spec = small_spec();
  const TestWeights weights(spec);
  for (int round = 0; round < 5; ++round) {
    Events events;
    ExecutorLoop loop(make_config(spec, weights), [&](StepEvent event) { events.add(std::move(event)); });
    Plan plan = plan_of(1);
    SequenceSpec& sequence = plan.add.emplace_back();
    sequence.tokens = {1, 2, 3};
    sequence.num_prompt_tokens = 3;
    sequence.max_new_tokens = 400;
    for (int b = 0; b < 60; ++b) sequence.blocks.push_back(b);
    CHECK(loop.submit(std::move(plan)).ok());
    CHECK(events.wait_for([](const auto& all) { return all.size() > 2; }));
    loop.close();
    const size_t count = events.count();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(events.count() == count);
  }
}
