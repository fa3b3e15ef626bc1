// Segments whatever their pages: huge ones where the system has a pool (skipped with the reason where it has none), the fall
// back to small ones, and what adopt() refuses.
#include "xccl/segment/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "xccl/test_support.h"

namespace switchyard::xccl::testing {
namespace {

constexpr uint64_t kLargeBytes = kHugeContentBytesMin + 12'345;

/// A line of /proc/meminfo; 0 when it is missing.
uint64_t meminfo(const char* name) {
  std::FILE* file = std::fopen("/proc/meminfo", "r");
  if (!file) return 0;
  char line[256];
  unsigned long long value = 0;
  while (value == 0 && std::fgets(line, sizeof(line), file)) {
    if (std::strncmp(line, name, std::strlen(name)) == 0) std::sscanf(line + std::strlen(name), ": %llu", &value);
  }
  std::fclose(file);
  return value;
}

uint64_t small_page() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

void check_seen_by_peer(const Segment& own, SegmentAccess access) {
  Segment seen;
  REQUIRE(is_code(Segment::adopt(dup(own.fd()), own.size(), access, &seen), Code::kOk));
  own.data()[own.size() - 1] = std::byte{42};
  CHECK(seen.size() == own.size() && seen.data()[own.size() - 1] == std::byte{42});
  CHECK(seen.page_bytes() == own.page_bytes());
  Segment other;
  CHECK(is_code(Segment::adopt(dup(own.fd()), own.size() + own.page_bytes(), access, &other), Code::kCorrupt));
  CHECK(is_code(Segment::adopt(dup(own.fd()), 0, access, &other), Code::kCorrupt));
}

}  // namespace

TEST(xccl_segment_falls_back_to_small_pages) {
  for (const SegmentAccess access : {SegmentAccess::kPeersRead, SegmentAccess::kPeersWrite}) {
    Segment segment;
    REQUIRE(is_code(Segment::create("test", kLargeBytes, access, &segment, PageChoice::kHugeIfAny), Code::kOk));
    if (meminfo("HugePages_Total") == 0) CHECK(segment.page_bytes() == small_page());
    check_seen_by_peer(segment, access);
  }
}

TEST(xccl_segment_takes_huge_pages_only_when_large_and_asked) {
  Segment small;
  REQUIRE(Segment::create("test", kHugeContentBytesMin - 1, SegmentAccess::kPeersRead, &small, PageChoice::kHugeIfAny)
              .ok());
  CHECK(small.page_bytes() == small_page());
  Segment plain;
  REQUIRE(Segment::create("test", kLargeBytes, SegmentAccess::kPeersRead, &plain).ok());
  CHECK(plain.page_bytes() == small_page());
}

TEST(xccl_segment_huge_pages) {
  const uint64_t page_bytes = meminfo("Hugepagesize") * 1024;
  const uint64_t num_free = meminfo("HugePages_Free");
  if (page_bytes == 0 || num_free * page_bytes < kLargeBytes + page_bytes) {
    std::printf("skipped: the system's pool has %llu free huge pages, too few for %llu bytes\n",
                static_cast<unsigned long long>(num_free), static_cast<unsigned long long>(kLargeBytes));
    return;
  }
  for (const SegmentAccess access : {SegmentAccess::kPeersRead, SegmentAccess::kPeersWrite}) {
    Segment segment;
    REQUIRE(is_code(Segment::create("test", kLargeBytes, access, &segment, PageChoice::kHugeIfAny), Code::kOk));
    CHECK(segment.page_bytes() == page_bytes);
    struct stat info {};
    REQUIRE(fstat(segment.fd(), &info) == 0);
    CHECK(static_cast<uint64_t>(info.st_size) % page_bytes == 0 && ftruncate(segment.fd(), 0) != 0);
    check_seen_by_peer(segment, access);
  }
}

TEST(xccl_segment_adopts_memory_files_only) {
  Segment seen;
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  CHECK(is_code(Segment::adopt(ends[0], 4096, SegmentAccess::kPeersRead, &seen), Code::kCorrupt));
  close(ends[1]);
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  CHECK(is_code(Segment::adopt(file, 4096, SegmentAccess::kPeersRead, &seen), Code::kCorrupt));
  const int unsealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(unsealed >= 0 && ftruncate(unsealed, 4096) == 0);
  CHECK(is_code(Segment::adopt(unsealed, 4096, SegmentAccess::kPeersWrite, &seen), Code::kCorrupt));
}

TEST(xccl_segment_pages_may_differ_between_members) {
  const Folder folder;
  CommunicatorConfig config = config_of(folder, 0);
  config.app_bytes = kLargeBytes;
  const Member a = make_member(config);
  config = config_of(folder, 1);
  config.app_bytes = kLargeBytes;
  config.huge_pages = HugePages::kOff;
  const Member b = make_member(config);
  REQUIRE(a && b && link_members(folder, *a, *b));
  a->app()[kLargeBytes - 1] = std::byte{7};
  std::byte got{};
  CHECK(is_code(b->get(0, 1, kLargeBytes - 1, std::span(&got, 1), deadline_in(1s)), Code::kOk));
  CHECK(got == std::byte{7});
}

}  // namespace switchyard::xccl::testing
