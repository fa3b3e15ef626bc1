#include "xccl/wait/core_meter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string>

namespace switchyard::xccl {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kCorePrefix = "cpu";
/// user, nice, system, idle, iowait: all times since the start.
constexpr size_t kNumColumns = 5;
constexpr size_t kIdleColumn = 3;
constexpr size_t kIoWaitColumn = 4;
/// A century, so that sums of nonsense stay within 64 bits.
constexpr uint64_t kSecondsMax = 3'155'760'000;

template <class Number>
bool take_number(std::string_view* text, Number* out) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *out);
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return error == std::errc();
}

struct CoreLine {
  uint32_t core = 0;
  nanoseconds idle{0};
};

/// "cpu3 3357 0 4313 1362393 12 ...", in ticks.
std::optional<CoreLine> read_line(std::string_view line, uint64_t ticks_per_second) {
  CoreLine out;
  if (!line.starts_with(kCorePrefix)) return std::nullopt;
  line.remove_prefix(kCorePrefix.size());
  if (!take_number(&line, &out.core)) return std::nullopt;
  std::array<uint64_t, kNumColumns> columns{};
  for (uint64_t& column : columns) {
    if (!line.starts_with(' ')) return std::nullopt;
    line.remove_prefix(1);
    if (!take_number(&line, &column) || column / ticks_per_second > kSecondsMax) return std::nullopt;
  }
  if (std::ranges::all_of(columns, [](uint64_t column) { return column == 0; })) return std::nullopt;
  out.idle = nanoseconds((columns[kIdleColumn] + columns[kIoWaitColumn]) * (1'000'000'000 / ticks_per_second));
  return out;
}

}  // namespace

std::vector<IdleTime> idle_times_from_text(std::string_view text, std::span<const uint32_t> cores) {
  const auto ticks_per_second = static_cast<uint64_t>(std::max(1L, sysconf(_SC_CLK_TCK)));
  std::vector<IdleTime> times(cores.size());
  while (!text.empty()) {
    const size_t length = text.find('\n');
    const std::optional<CoreLine> line = read_line(text.substr(0, length), ticks_per_second);
    text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
    if (!line) continue;
    const auto found = std::ranges::find(cores, line->core);
    if (found != cores.end()) times[static_cast<size_t>(found - cores.begin())] = line->idle;
  }
  return times;
}

std::vector<IdleTime> CoreMeter::idle_times(std::span<const uint32_t> cores) const {
  std::ifstream file("/proc/stat");
  std::string text;
  std::string line;
  // The lines of cores come first.
  while (std::getline(file, line) && line.starts_with(kCorePrefix)) text += line + '\n';
  return idle_times_from_text(text, cores);
}

std::optional<nanoseconds> CoreMeter::used(clockid_t thread) const {
  timespec time{};
  if (clock_gettime(thread, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

}  // namespace switchyard::xccl
