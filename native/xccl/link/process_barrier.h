// A barrier for all threads of this process at once (membarrier): who changes something rarely pays for it, so that those who look
// all the time need no locked instruction of their own. Used by PeerTable; Linux only, with a fallback.
#pragma once

namespace switchyard::xccl {

/// False where the system refuses it: then the frequent side has to use sequentially consistent stores itself.
extern const bool kHasProcessBarrier;

/// Each thread of this process has executed a full barrier between the call and the return.
void process_barrier();

}  // namespace switchyard::xccl
