// native_tests --list prints the names of all tests; native_tests NAME... runs those (all without arguments); exit 1 if any failed.
#include <cstring>

#include "test/test.h"

using switchyard::test::cases;
using switchyard::test::num_failures;

namespace {

bool is_chosen(const char* name, int argc, char** argv) {
  if (argc == 1) return true;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], name) == 0) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const auto& test : cases()) std::printf("%s\n", test.name);
    return 0;
  }
  int num_run = 0;
  int num_failed = 0;
  for (const auto& test : cases()) {
    if (!is_chosen(test.name, argc, argv)) continue;
    const int before = num_failures();
    test.body();
    const bool failed = num_failures() != before;
    std::printf("%s %s\n", failed ? "FAILED" : "ok", test.name);
    std::fflush(stdout);
    ++num_run;
    num_failed += failed;
  }
  return num_run == 0 || num_failed > 0 ? 1 : 0;
}
