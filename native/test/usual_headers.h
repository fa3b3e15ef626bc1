// Headers that most sources include: compiled once and put before the sources of sanitized builds, which then compile in two thirds of the
// time (build.mjs). The release build goes without, so a source that forgets one of its includes fails there.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>
