// Tables of things that a configuration chooses by name.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace switchyard {

/// The row whose `name` is `name`. InvalidArgument without one, which says what was looked for ("copy path") and lists the names.
template <class Rows, class Row>
Status find_by_name(const Rows& rows, std::string_view what, std::string_view name, const Row** out) {
  std::string known;
  for (const Row& row : rows) {
    if (name == row.name) {
      *out = &row;
      return {};
    }
    known += known.empty() ? row.name : std::string(", ") + row.name;
  }
  return {Code::kInvalidArgument, "unknown " + std::string(what) + " '" + std::string(name) + "'; known: " + known};
}

}  // namespace switchyard
