// The broker's system calls: a listening SOCK_SEQPACKET socket in a private folder, dialing, and frames with descriptors.
// All descriptors are non-blocking and close-on-exec; nothing here waits.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/status.h"
#include "xccl/broker/frames.h"

namespace switchyard::xccl {

/// Owns a descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// Makes the socket's folder if missing (0700); InvalidArgument when it is not this user's alone.
Status check_private_folder(const std::string& socket_path);

/// Binds and listens. A file left by a dead process is replaced; a live listener is InvalidArgument.
Status listen_at(const std::string& socket_path, FileDescriptor* out);

/// Connects; Io (also when nobody listens) is worth another try.
Status dial(const std::string& socket_path, FileDescriptor* out);

/// Takes one waiting connection of this user; out stays empty when there is none or it is somebody else's.
Status accept_own_user(const FileDescriptor& listener, FileDescriptor* out);

/// True when the process at the other end runs under this process's user.
bool is_own_user(const FileDescriptor& connection);

/// The process at the other end, as the kernel knows it; 0 when it lives in another pid namespace.
int32_t process_of(const FileDescriptor& connection);

Status send_frame(const FileDescriptor& connection, const Frame& frame, const std::vector<int>& fds = {});

enum class Received : uint8_t { kFrame, kNothing, kEndOfFile, kGarbage };

/// Reads one frame and its descriptors. kGarbage: wrong size or magic, truncated control data, or more than kNumSegments descriptors.
Received receive_frame(const FileDescriptor& connection, Frame* frame, std::vector<FileDescriptor>* fds);

}  // namespace switchyard::xccl
