// Interrupt: remembers that SIGINT, SIGTERM or SIGHUP asked the soak run to end, so that the supervisor stops waiting, kills its
// ranks and takes its folder away. Ranks inherit it: a signal to the whole process group leaves their end to the supervisor.
#pragma once

namespace switchyard::xccl::soak {

/// From here on the signals no longer end this process by themselves.
void watch_interrupts();

/// The signal that came first, 0 while none has.
int interrupting_signal();

}  // namespace switchyard::xccl::soak
