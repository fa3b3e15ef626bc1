// What is taken from /proc/stat, from such a text and from any other; the clocks of threads.
#include "xccl/wait/core_meter.h"

#include <pthread.h>

#include <string>

#include "test/test.h"

namespace {

using namespace switchyard::xccl;
using namespace std::chrono_literals;

/// Of core 1, in a text with that line.
IdleTime idle_in(const std::string& line) {
  const uint32_t core = 1;
  return idle_times_from_text(line, {&core, 1})[0];
}

}  // namespace

TEST(xccl_core_meter_reads_idle_times) {
  const std::string text =
      "cpu  30 4 50 700 20 0 1 2 0 0\n"
      "cpu0 10 2 25 300 5 0 1 1 0 0\n"
      "cpu12 20 2 25 400 15 0 0 1 0 0\n"
      "cpu3 1 0 0 0 0 0 0 0 0 0\n"
      "intr 1 2 3\n";
  const uint32_t cores[] = {12, 1, 0, 3, 2};
  const std::vector<IdleTime> times = idle_times_from_text(text, cores);
  REQUIRE(times.size() == 5);
  CHECK(times[0] == 4150ms && times[2] == 3050ms && times[3] == 0ms);
  CHECK(!times[1] && !times[4]);
  CHECK(idle_in("cpu1 1 2 3 4 5") == 90ms);
}

TEST(xccl_core_meter_takes_nothing_from_other_text) {
  for (const char* text :
       {"", "\n\n", "cpu", "cpu1", "cpu1 ", "cpu1 1 2 3 4", "cpu1 1 2 3 4 ", "cpu1 1 2 3 -4 5", "cpu1 1 2 3 4x 5",
        "cpu1 1 2 3 99999999999999999999 5", "cpu1 1 2 3 18446744073709551615 5", "cpu1  1 2 3 4 5", "cpu1\t1 2 3 4 5",
        "cpu-1 1 2 3 4 5", "cpu99999999999 1 2 3 4 5", "CPU1 1 2 3 4 5", " cpu1 1 2 3 4 5", "cpu1 0 0 0 0 0 0 0 0"}) {
    if (idle_in(text)) std::printf("'%s'\n", text);
    CHECK(!idle_in(text));
  }
  CHECK(!idle_in(std::string("cpu1 1 2 3 4 5\0", 10)) && !idle_in(std::string(5, '\0')));
  CHECK(idle_in("nonsense\ncpu1 1 2\ncpu1 1 2 3 4 5\ncpu1") == 90ms);
}

TEST(xccl_core_meter_reads_the_clocks_of_threads) {
  const CoreMeter meter;
  clockid_t clock = 0;
  REQUIRE(pthread_getcpuclockid(pthread_self(), &clock) == 0);
  const auto before = meter.used(clock);
  REQUIRE(before.has_value());
  while (*meter.used(clock) < *before + 1ms) {
  }
  CHECK(!meter.used(-1));
  const uint32_t none = 1'000'000;
  CHECK(!meter.idle_times({&none, 1})[0]);
}
