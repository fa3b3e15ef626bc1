#include "xccl/wait/core_list.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace switchyard::xccl {
namespace {

bool read_core(std::string_view text, uint32_t* out) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && rest == end && *out < CPU_SETSIZE;
}

/// One core or a range "first-last".
bool read_range(std::string_view text, uint32_t* first, uint32_t* last) {
  const size_t dash = text.find('-');
  if (!read_core(text.substr(0, dash), first)) return false;
  if (dash == std::string_view::npos) {
    *last = *first;
    return true;
  }
  return read_core(text.substr(dash + 1), last) && *first <= *last;
}

Status bad_list(std::string_view text) {
  return {Code::kInvalidArgument,
          "bad list of cores '" + std::string(text) + "'; expected different cores and ranges such as 0,2-3"};
}

/// The cores of the set, as the list that would name them.
std::string text_of(const cpu_set_t& set) {
  std::string text;
  for (uint32_t first = 0; first < CPU_SETSIZE; ++first) {
    if (!CPU_ISSET(first, &set)) continue;
    uint32_t last = first;
    while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last > first) text += '-' + std::to_string(last);
    first = last;
  }
  return text;
}

Status check_allowed(const std::vector<uint32_t>& cores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return {Code::kUnsupported, "cannot tell on which cores this process may run"};
  for (const uint32_t core : cores) {
    if (CPU_ISSET(core, &allowed)) continue;
    return {Code::kInvalidArgument,
            "this process may not run on core " + std::to_string(core) + "; it may on: " + text_of(allowed)};
  }
  return {};
}

}  // namespace

Status cores_from_text(std::string_view text, std::vector<uint32_t>* out) {
  std::vector<uint32_t> cores;
  std::string_view rest = text;
  for (bool has_more = true; has_more;) {
    const size_t comma = rest.find(',');
    uint32_t first = 0;
    uint32_t last = 0;
    if (!read_range(rest.substr(0, comma), &first, &last)) return bad_list(text);
    for (uint32_t core = first; core <= last; ++core) {
      if (std::ranges::find(cores, core) != cores.end()) return bad_list(text);
      cores.push_back(core);
    }
    has_more = comma != std::string_view::npos;
    if (has_more) rest.remove_prefix(comma + 1);
  }
  SWITCHYARD_RETURN_IF_ERROR(check_allowed(cores));
  *out = std::move(cores);
  return {};
}

}  // namespace switchyard::xccl
