// Restartable sequences (rseq, Linux 4.18): the C library (glibc from 2.35 on) asks the kernel to tell every thread on which core it
// runs. The kernel does that on each return after a switch; a thread that is bound to a core has no use for it.
#pragma once

namespace switchyard::xccl {

/// Ends it for the calling thread: a switch by sched_yield takes 0.9 of its time then (docs/xccl.md, "Waiting"). sched_getcpu() asks the
/// kernel from now on. Nothing where neither the library nor the system has it, or where the thread has ended it before.
void unregister_rseq();

}  // namespace switchyard::xccl
