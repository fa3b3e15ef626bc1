// A thread that never takes the process's signals: they belong to the host's (Node's) threads.
#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace switchyard::xccl {

template <class Body>
std::thread quiet_thread(Body&& body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Body>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace switchyard::xccl
