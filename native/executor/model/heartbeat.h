// How a loop shows its peers that it lives (D5): busy while it computes, progress at every layer. Implemented over a communicator;
// this base is the one for a rank without peers.
#pragma once

namespace switchyard::executor {

class Heartbeat {
 public:
  virtual ~Heartbeat() = default;
  virtual void set_busy(bool) {}
  virtual void progress() {}
};

}  // namespace switchyard::executor
