// A lock between processes of a machine: an open file that flock holds, free again when its owner ends, however that happens.
// Called through the addon by whoever writes to the weights' cache.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace switchyard {

class FileLock {
 public:
  /// Makes the file and takes its lock; null when somebody else has it. IO when the file cannot be made.
  static Status try_lock(const std::string& path, std::unique_ptr<FileLock>* lock);

  /// Gives the lock back and removes its file.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace switchyard
