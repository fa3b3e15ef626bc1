// Traffic: one kind of operation between the ranks of a soak run. Each kind runs on a thread of its own in every rank; a new
// kind is a class, its maker here and a row in traffic_soak.cc.
#pragma once

#include <memory>

#include "xccl/soak/actor.h"

namespace switchyard::xccl::soak {

class Traffic {
 public:
  virtual ~Traffic() = default;
  /// An operation or a few. Each ends in actor.passed(), refused() or fail(), and none waits longer than kPatience.
  virtual void step() = 0;
  /// Called instead of step(), again and again, while the ranks are to be quiet: goes on with what is under way. True when
  /// nothing is.
  virtual bool settle() { return true; }
};

struct TrafficKind {
  const char* name;
  std::unique_ptr<Traffic> (*create)(Actor& actor, uint32_t kind);
};

extern const TrafficKind kTrafficKinds[];
extern const uint32_t kNumTrafficKinds;

std::unique_ptr<Traffic> make_get_traffic(Actor& actor, uint32_t kind);
std::unique_ptr<Traffic> make_exchange_traffic(Actor& actor, uint32_t kind);
std::unique_ptr<Traffic> make_message_traffic(Actor& actor, uint32_t kind);
std::unique_ptr<Traffic> make_group_traffic(Actor& actor, uint32_t kind);

}  // namespace switchyard::xccl::soak
