#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {

const TrafficKind kTrafficKinds[] = {
    {"get", make_get_traffic},
    {"exchange", make_exchange_traffic},
    {"message", make_message_traffic},
    {"group", make_group_traffic},
};
const uint32_t kNumTrafficKinds = static_cast<uint32_t>(std::size(kTrafficKinds));
static_assert(std::size(kTrafficKinds) <= kNumKindsMax);

}  // namespace switchyard::xccl::soak
