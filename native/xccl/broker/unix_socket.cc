#include "xccl/broker/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace switchyard::xccl {
namespace {

Status io_error(const std::string& what) { return {Code::kIo, what + ": " + std::strerror(errno)}; }

sockaddr_un address_of(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.data(), std::min(socket_path.size(), sizeof(address.sun_path) - 1));
  return address;
}

FileDescriptor make_socket() {
  return FileDescriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

std::string folder_of(const std::string& socket_path) {
  const size_t slash = socket_path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : socket_path.substr(0, slash);
}

bool read_credentials(const FileDescriptor& connection, ucred* out) {
  socklen_t num_bytes = sizeof(*out);
  return getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, out, &num_bytes) == 0;
}

/// Takes the descriptors out of the message's control data; each is owned from here on, whatever happens.
void take_descriptors(msghdr& message, std::vector<FileDescriptor>* fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t num_fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < num_fds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      fds->emplace_back(fd);
    }
  }
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() { return std::exchange(fd_, -1); }

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status check_private_folder(const std::string& socket_path) {
  const std::string folder = folder_of(socket_path);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return io_error("mkdir " + folder);
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0) return io_error("lstat " + folder);
  if (S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 077) == 0) return {};
  return {Code::kInvalidArgument,
          "socket_path: the folder " + folder + " must be a directory of this user with mode 0700"};
}

Status listen_at(const std::string& socket_path, FileDescriptor* out) {
  FileDescriptor probe;
  if (dial(socket_path, &probe).ok())
    return {Code::kInvalidArgument, "socket_path: somebody listens at " + socket_path};
  if (unlink(socket_path.c_str()) != 0 && errno != ENOENT) return io_error("unlink " + socket_path);
  FileDescriptor listener = make_socket();
  if (!listener) return io_error("socket");
  const sockaddr_un address = address_of(socket_path);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return io_error("bind " + socket_path);
  if (listen(listener.get(), static_cast<int>(kNumRanksMax)) != 0) return io_error("listen " + socket_path);
  *out = std::move(listener);
  return {};
}

Status dial(const std::string& socket_path, FileDescriptor* out) {
  FileDescriptor connection = make_socket();
  if (!connection) return io_error("socket");
  const sockaddr_un address = address_of(socket_path);
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return io_error("connect " + socket_path);
  }
  *out = std::move(connection);
  return {};
}

bool is_own_user(const FileDescriptor& connection) {
  ucred peer{};
  return read_credentials(connection, &peer) && peer.uid == geteuid();
}

int32_t process_of(const FileDescriptor& connection) {
  ucred peer{};
  return read_credentials(connection, &peer) ? peer.pid : 0;
}

Status accept_own_user(const FileDescriptor& listener, FileDescriptor* out) {
  FileDescriptor connection(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) return errno == EAGAIN || errno == ECONNABORTED ? Status() : io_error("accept");
  if (is_own_user(connection)) *out = std::move(connection);
  return {};
}

Status send_frame(const FileDescriptor& connection, const Frame& frame, const std::vector<int>& fds) {
  iovec data{const_cast<Frame*>(&frame), sizeof(frame)};
  alignas(cmsghdr) char control[CMSG_SPACE(kNumSegments * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
  }
  const ssize_t num_sent = sendmsg(connection.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return num_sent == static_cast<ssize_t>(sizeof(frame)) ? Status() : io_error("sendmsg to a peer");
}

Received receive_frame(const FileDescriptor& connection, Frame* frame, std::vector<FileDescriptor>* fds) {
  iovec data{frame, sizeof(*frame)};
  // Room for one descriptor too many, so that it is seen rather than cut off.
  alignas(cmsghdr) char control[CMSG_SPACE((kNumSegments + 1) * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t num_bytes = recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (num_bytes < 0) return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kEndOfFile;
  take_descriptors(message, fds);
  if (num_bytes == 0) return Received::kEndOfFile;
  const bool is_cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  const bool is_ours = num_bytes == static_cast<ssize_t>(sizeof(*frame)) && frame->magic == kCtrlMagic;
  return is_ours && !is_cut && fds->size() <= kNumSegments ? Received::kFrame : Received::kGarbage;
}

}  // namespace switchyard::xccl
