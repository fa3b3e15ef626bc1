#include <filesystem>
#include <fstream>
#include <string>

#include "xccl/soak/census.h"

namespace switchyard::xccl::soak {
namespace {

uint32_t count_entries(const std::string& folder) {
  uint32_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    (void)entry;
    count += 1;
  }
  return count;
}

uint32_t count_segment_mappings(const std::string& process) {
  std::ifstream maps(process + "/maps");
  uint32_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:switchyard-") != std::string::npos;
  return count;
}

}  // namespace

void take_census(pid_t pid, Census* out) {
  const std::string process = "/proc/" + std::to_string(pid);
  out->num_descriptors.store(count_entries(process + "/fd"));
  out->num_threads.store(count_entries(process + "/task"));
  out->num_mappings.store(count_segment_mappings(process));
}

}  // namespace switchyard::xccl::soak
