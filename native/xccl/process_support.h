// What tests and benches of XCCL need to run ranks as processes: a private folder for their sockets, how peers find each other
// in it, forked ranks. Never part of the library.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "xccl/types.h"

namespace switchyard::xccl::testing {

/// A new folder of mode 0700 in $TMPDIR. It goes with the object, and with it the sockets of ranks that were killed.
class PrivateFolder {
 public:
  PrivateFolder() {
    path_ = (std::filesystem::temp_directory_path() / "switchyard-xccl-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) {
      std::perror(path_.c_str());
      std::abort();
    }
  }
  ~PrivateFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  std::string socket(uint32_t rank, uint64_t epoch = 1) const {
    return path_ + "/r" + std::to_string(rank) + "e" + std::to_string(epoch);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline PeerSpec peer_of(const PrivateFolder& folder, uint32_t rank, uint64_t epoch = 1) {
  PeerSpec spec;
  spec.rank = rank;
  spec.epoch = epoch;
  spec.socket_path = folder.socket(rank, epoch);
  return spec;
}

/// A forked peer, killed and reaped at the end, and killed when this process is. Fork before this process has threads.
class ForkedPeer {
 public:
  template <class Body>
  explicit ForkedPeer(Body&& body) {
    std::fflush(stdout);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    _exit(0);
  }
  ~ForkedPeer() { kill_now(); }
  ForkedPeer(const ForkedPeer&) = delete;
  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  /// SIGSTOP, and waits until all of its threads stand still.
  void stop() const {
    ::kill(pid_, SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);
  }
  void kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  /// True once it has ended by itself; `wait_status` is then waitpid's.
  bool has_ended(int* wait_status) {
    if (pid_ <= 0 || waitpid(pid_, wait_status, WNOHANG) != pid_) return false;
    pid_ = -1;
    return true;
  }

 private:
  pid_t pid_;
};

}  // namespace switchyard::xccl::testing
