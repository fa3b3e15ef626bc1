// What a process holds of the system: a rank that outlives its peers must hold the same afterwards. For the soak and the tests of
// deaths.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace switchyard::xccl::testing {

/// Atomics: written by a rank, read by the process that watches it.
struct Census {
  std::atomic<uint32_t> num_descriptors;
  std::atomic<uint32_t> num_threads;
  std::atomic<uint32_t> num_mappings;  // of segments
};

inline uint32_t count_entries(const std::string& folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<uint32_t>(std::distance(begin(entries), end(entries)));
}

inline uint32_t count_segment_mappings(const std::string& process) {
  std::ifstream maps(process + "/maps");
  uint32_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:switchyard-") != std::string::npos;
  return count;
}

/// Counts open descriptors, threads, and mappings of XCCL's segments in /proc/`pid`.
inline void take_census(pid_t pid, Census* out) {
  const std::string process = "/proc/" + std::to_string(pid);
  out->num_descriptors.store(count_entries(process + "/fd"));
  out->num_threads.store(count_entries(process + "/task"));
  out->num_mappings.store(count_segment_mappings(process));
}

}  // namespace switchyard::xccl::testing
