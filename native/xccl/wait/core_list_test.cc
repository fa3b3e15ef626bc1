// Lists of cores: what is read, what is refused, and that a refusal says what would have been right.
#include "xccl/wait/core_list.h"

#include <sched.h>

#include <string>

#include "test/test.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;

std::string refusal_of(const std::string& text) {
  std::vector<uint32_t> cores = {77};
  const Status status = cores_from_text(text, &cores);
  CHECK(status.code() == Code::kInvalidArgument && cores == std::vector<uint32_t>{77});
  return status.message();
}

bool says(const std::string& message, const std::string& what) { return message.find(what) != std::string::npos; }

std::vector<uint32_t> allowed_list() {
  cpu_set_t set;
  std::vector<uint32_t> cores;
  CPU_ZERO(&set);
  CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
  for (uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

}  // namespace

TEST(xccl_core_list_reads_cores_and_ranges) {
  const std::vector<uint32_t> allowed = allowed_list();
  REQUIRE(!allowed.empty());
  std::string backwards;
  for (const uint32_t core : allowed) backwards = std::to_string(core) + (backwards.empty() ? "" : ",") + backwards;
  std::vector<uint32_t> cores;
  CHECK(cores_from_text(backwards, &cores).ok());
  CHECK(cores == std::vector<uint32_t>(allowed.rbegin(), allowed.rend()));
  const std::string first = std::to_string(allowed.front());
  CHECK(cores_from_text(first + "-" + first, &cores).ok() && cores == std::vector<uint32_t>{allowed.front()});
  uint32_t last = allowed.front();
  for (const uint32_t core : allowed) last += core == last + 1;
  CHECK(cores_from_text(first + "-" + std::to_string(last), &cores).ok());
  CHECK(cores.size() == last - allowed.front() + 1 && cores.back() == last);
}

TEST(xccl_core_list_refuses_other_text) {
  for (const char* text :
       {"", ",", "0,", ",0", "0,,1", "a", "-1", "1-", "3-1", "0 ,1", "0-0-0", "1.5", "99999999999", "1024"}) {
    const std::string message = refusal_of(text);
    CHECK(says(message, std::string("bad list of cores '").append(text).append("'; expected different cores")));
    CHECK(says(message, "and ranges such as 0,2-3"));
  }
  CHECK(says(refusal_of("0,0"), "different") && says(refusal_of("0-2,1"), "different"));
}

TEST(xccl_core_list_refuses_cores_that_it_may_not_use) {
  const std::vector<uint32_t> allowed = allowed_list();
  REQUIRE(!allowed.empty());
  const uint32_t beyond = allowed.back() + 1;
  REQUIRE(beyond < CPU_SETSIZE);
  const std::string message = refusal_of(std::to_string(allowed.front()) + "," + std::to_string(beyond));
  CHECK(says(message, "may not run on core " + std::to_string(beyond) + "; it may on: "));
  CHECK(says(message, "it may on: " + std::to_string(allowed.front())));
}
