#include "xccl/segment/segment.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace switchyard::xccl {
namespace {

Status io_error(const char* call) { return {Code::kIo, std::string(call) + ": " + std::strerror(errno)}; }

int seals_of(SegmentAccess access) {
  const int fixed_size = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  return access == SegmentAccess::kPeersRead ? fixed_size | F_SEAL_FUTURE_WRITE : fixed_size;
}

int make_memfd(const char* label, unsigned extra_flags) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | extra_flags;
  const int fd = memfd_create(label, flags | MFD_NOEXEC_SEAL);
  // Kernels before 6.3 do not know the flag.
  return fd >= 0 || errno != EINVAL ? fd : memfd_create(label, flags);
}

/// Page size of a memfd by the kernel's word, so that a peer need not be asked; 0 for anything else than a memfd.
uint64_t page_bytes_of(int fd) {
  struct statfs info {};
  if (fstatfs(fd, &info) != 0) return 0;
  const bool is_memory = info.f_type == TMPFS_MAGIC || info.f_type == HUGETLBFS_MAGIC;
  const auto page_bytes = static_cast<uint64_t>(info.f_bsize);
  return is_memory && std::has_single_bit(page_bytes) ? page_bytes : 0;
}

/// Whole pages, at least one.
uint64_t segment_bytes(uint64_t content_bytes, uint64_t page_bytes) {
  return std::max<uint64_t>(1, (content_bytes + page_bytes - 1) / page_bytes) * page_bytes;
}

}  // namespace

Segment::Segment(Segment&& other) noexcept { *this = std::move(other); }

Segment& Segment::operator=(Segment&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = std::exchange(other.fd_, -1);
  data_ = std::exchange(other.data_, nullptr);
  content_bytes_ = std::exchange(other.content_bytes_, 0);
  mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  page_bytes_ = std::exchange(other.page_bytes_, 0);
  return *this;
}

Segment::~Segment() { reset(); }

void Segment::reset() {
  if (data_) munmap(data_, mapped_bytes_);
  if (fd_ >= 0) ::close(fd_);
  data_ = nullptr;
  fd_ = -1;
  content_bytes_ = mapped_bytes_ = page_bytes_ = 0;
}

Status Segment::create(const char* label, uint64_t content_bytes, SegmentAccess access, Segment* out,
                       PageChoice pages) {
  const bool wants_huge = pages == PageChoice::kHugeIfAny && content_bytes >= kHugeContentBytesMin;
  if (wants_huge && create_of(make_memfd(label, MFD_HUGETLB), content_bytes, access, out).ok()) return {};
  SWITCHYARD_RETURN_IF_ERROR(create_of(make_memfd(label, 0), content_bytes, access, out));
  // A hint: most systems have it switched off for shared memory, some kernels do not know it.
  if (wants_huge) madvise(out->data_, out->mapped_bytes_, MADV_HUGEPAGE);
  return {};
}

Status Segment::create_of(int fd, uint64_t content_bytes, SegmentAccess access, Segment* out) {
  if (fd < 0) return io_error("memfd_create");
  Segment made;
  made.fd_ = fd;
  made.page_bytes_ = page_bytes_of(fd);
  if (made.page_bytes_ == 0) return {Code::kIo, "fstatfs of a segment: no memory file"};
  const uint64_t num_bytes = segment_bytes(content_bytes, made.page_bytes_);
  if (ftruncate(fd, static_cast<off_t>(num_bytes)) != 0) return io_error("ftruncate of a segment");
  // The pool may be empty or this process's share of it used up: that must show here, not as SIGBUS at the first touch.
  const bool is_huge = made.page_bytes_ != static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (is_huge && fallocate(fd, 0, 0, static_cast<off_t>(num_bytes)) != 0) return io_error("fallocate of huge pages");
  SWITCHYARD_RETURN_IF_ERROR(made.map(content_bytes, PROT_READ | PROT_WRITE));
  // After the map: FUTURE_WRITE leaves only mappings that exist already writable.
  if (fcntl(fd, F_ADD_SEALS, seals_of(access)) != 0) return io_error("F_ADD_SEALS");
  *out = std::move(made);
  return {};
}

Status Segment::map(uint64_t content_bytes, int protection) {
  const uint64_t num_bytes = segment_bytes(content_bytes, page_bytes_);
  void* data = mmap(nullptr, num_bytes, protection, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) return io_error("mmap of a segment");
  data_ = static_cast<std::byte*>(data);
  mapped_bytes_ = num_bytes;
  content_bytes_ = content_bytes;
  return {};
}

Status Segment::adopt(int fd, uint64_t content_bytes, SegmentAccess access, Segment* out) {
  Segment adopted;
  adopted.fd_ = fd;
  struct stat info {};
  if (fstat(fd, &info) != 0) return io_error("fstat of a peer's segment");
  adopted.page_bytes_ = page_bytes_of(fd);
  if (adopted.page_bytes_ == 0) return {Code::kCorrupt, "a peer's segment is no memory file"};
  const uint64_t num_bytes = segment_bytes(content_bytes, adopted.page_bytes_);
  if (static_cast<uint64_t>(info.st_size) != num_bytes) {
    return {Code::kCorrupt,
            "a peer's segment has " + std::to_string(info.st_size) + " bytes instead of " + std::to_string(num_bytes)};
  }
  const int seals = fcntl(fd, F_GET_SEALS);
  const int needed = seals_of(access);
  if (seals < 0 || (seals & needed) != needed) return {Code::kCorrupt, "a peer's segment lacks seals"};
  SWITCHYARD_RETURN_IF_ERROR(
      adopted.map(content_bytes, access == SegmentAccess::kPeersRead ? PROT_READ : PROT_READ | PROT_WRITE));
  ::close(std::exchange(adopted.fd_, -1));
  *out = std::move(adopted);
  return {};
}

}  // namespace switchyard::xccl
