#include <filesystem>
#include <fstream>
#include <string>

#include "xccl/soak/census.h"

namespace switchyard::xccl::soak {
namespace {

uint32_t count_entries(const char* folder) {
  uint32_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    (void)entry;
    count += 1;
  }
  return count;
}

uint32_t count_segment_mappings() {
  std::ifstream maps("/proc/self/maps");
  uint32_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:switchyard-") != std::string::npos;
  return count;
}

}  // namespace

void take_census(Census* out) {
  out->num_descriptors.store(count_entries("/proc/self/fd"));
  out->num_threads.store(count_entries("/proc/self/task"));
  out->num_mappings.store(count_segment_mappings());
}

}  // namespace switchyard::xccl::soak
