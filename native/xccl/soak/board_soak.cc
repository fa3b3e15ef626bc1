#include <cstring>
#include <ctime>

#include "xccl/soak/board.h"

namespace switchyard::xccl::soak {

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

void board_fail(Board& board, const std::string& text) {
  if (board.num_failures.fetch_add(1) != 0) return;
  std::strncpy(board.text, text.c_str(), kTextBytes - 1);
  board.has_text.store(true);
}

}  // namespace switchyard::xccl::soak
