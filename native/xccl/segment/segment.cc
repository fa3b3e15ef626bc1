#include "xccl/segment/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

constexpr uint64_t kPage = 4096;

Status io_error(const char* call) { return {Code::kIo, std::string(call) + ": " + std::strerror(errno)}; }

int seals_of(SegmentAccess access) {
  const int fixed_size = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  return access == SegmentAccess::kPeersRead ? fixed_size | F_SEAL_FUTURE_WRITE : fixed_size;
}

int make_memfd(const char* label) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = memfd_create(label, flags | MFD_NOEXEC_SEAL);
  // Kernels before 6.3 do not know the flag.
  return fd >= 0 || errno != EINVAL ? fd : memfd_create(label, flags);
}

}  // namespace

uint64_t segment_bytes(uint64_t content_bytes) {
  return std::max<uint64_t>(1, (content_bytes + kPage - 1) / kPage) * kPage;
}

Segment::Segment(Segment&& other) noexcept { *this = std::move(other); }

Segment& Segment::operator=(Segment&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = std::exchange(other.fd_, -1);
  data_ = std::exchange(other.data_, nullptr);
  content_bytes_ = std::exchange(other.content_bytes_, 0);
  mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  return *this;
}

Segment::~Segment() { reset(); }

void Segment::reset() {
  if (data_) munmap(data_, mapped_bytes_);
  if (fd_ >= 0) ::close(fd_);
  data_ = nullptr;
  fd_ = -1;
  content_bytes_ = mapped_bytes_ = 0;
}

Status Segment::create(const char* label, uint64_t content_bytes, SegmentAccess access, Segment* out) {
  Segment made;
  made.fd_ = make_memfd(label);
  if (made.fd_ < 0) return io_error("memfd_create");
  const uint64_t num_bytes = segment_bytes(content_bytes);
  if (ftruncate(made.fd_, static_cast<off_t>(num_bytes)) != 0) return io_error("ftruncate of a segment");
  void* data = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made.fd_, 0);
  if (data == MAP_FAILED) return io_error("mmap of a segment");
  made.data_ = static_cast<std::byte*>(data);
  made.mapped_bytes_ = num_bytes;
  made.content_bytes_ = content_bytes;
  // After the map: FUTURE_WRITE leaves only mappings that exist already writable.
  if (fcntl(made.fd_, F_ADD_SEALS, seals_of(access)) != 0) return io_error("F_ADD_SEALS");
  *out = std::move(made);
  return {};
}

Status Segment::adopt(int fd, uint64_t content_bytes, SegmentAccess access, Segment* out) {
  Segment adopted;
  adopted.fd_ = fd;
  struct stat info {};
  if (fstat(fd, &info) != 0) return io_error("fstat of a peer's segment");
  const uint64_t num_bytes = segment_bytes(content_bytes);
  if (static_cast<uint64_t>(info.st_size) != num_bytes) {
    return {Code::kCorrupt,
            "a peer's segment has " + std::to_string(info.st_size) + " bytes instead of " + std::to_string(num_bytes)};
  }
  const int seals = fcntl(fd, F_GET_SEALS);
  const int needed = seals_of(access);
  if (seals < 0 || (seals & needed) != needed) return {Code::kCorrupt, "a peer's segment lacks seals"};
  const int protection = access == SegmentAccess::kPeersRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* data = mmap(nullptr, num_bytes, protection, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return io_error("mmap of a peer's segment");
  adopted.data_ = static_cast<std::byte*>(data);
  adopted.mapped_bytes_ = num_bytes;
  adopted.content_bytes_ = content_bytes;
  ::close(std::exchange(adopted.fd_, -1));
  *out = std::move(adopted);
  return {};
}

}  // namespace switchyard::xccl
