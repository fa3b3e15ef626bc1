#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace switchyard {
namespace {

/// False when an owner has removed the file between open and flock: then this descriptor locks nothing that others can see.
bool is_still_there(int fd, const std::string& path) {
  struct stat opened;
  struct stat named;
  return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

Status FileLock::try_lock(const std::string& path, std::unique_ptr<FileLock>* lock) {
  lock->reset();
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return {Code::kIo, "cannot make the lock " + path + ": " + std::strerror(errno)};
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    if (error == EWOULDBLOCK || error == EINTR) return {};
    return {Code::kIo, "cannot lock " + path + ": " + std::strerror(error)};
  }
  if (is_still_there(fd, path)) {
    lock->reset(new FileLock(path, fd));
  } else {
    close(fd);
  }
  return {};
}

FileLock::~FileLock() {
  unlink(path_.c_str());  // before it is given back: who opened this file meanwhile sees that it is gone
  close(fd_);
}

}  // namespace switchyard
