// A test registry of sixty lines: TEST(suite_name) { CHECK(...); }. native_tests lists and runs them one a process call,
// so that vitest shows each by name. Random tests take their seed from SWITCHYARD_TEST_SEED and print it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace switchyard::test {

struct Case {
  const char* name;
  void (*body)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& num_failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, void (*body)()) { cases().push_back({name, body}); }
};

/// The seed of this run: SWITCHYARD_TEST_SEED, or 1. Printed, so that a failure can be run again.
inline uint64_t seed() {
  const char* text = std::getenv("SWITCHYARD_TEST_SEED");
  const uint64_t value = text ? std::strtoull(text, nullptr, 10) : 1;
  std::printf("seed %llu\n", static_cast<unsigned long long>(value));
  return value;
}

}  // namespace switchyard::test

#define TEST(name)                                                                       \
  static void test_##name();                                                             \
  static const ::switchyard::test::Registration registration_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::printf("%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      ++::switchyard::test::num_failures();                                     \
    }                                                                           \
  } while (false)

/// As CHECK, but ends the test: for what later lines depend on.
#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::printf("%s:%d: REQUIRE(%s) failed\n", __FILE__, __LINE__, #condition); \
      ++::switchyard::test::num_failures();                                       \
      return;                                                                     \
    }                                                                             \
  } while (false)
