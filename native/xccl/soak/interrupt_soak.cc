#include "xccl/soak/interrupt.h"

#include <signal.h>

#include <initializer_list>

namespace switchyard::xccl::soak {
namespace {

volatile sig_atomic_t first_signal = 0;

void remember(int signal) {
  if (first_signal == 0) first_signal = signal;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

int interrupting_signal() { return first_signal; }

}  // namespace switchyard::xccl::soak
