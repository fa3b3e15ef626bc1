// How a loop shows its peers that it lives (D5): busy while it computes, progress at every layer. Implemented over a communicator;
// this base is the one for a rank without peers.
#pragma once

namespace switchyard::executor {

class Heartbeat {
 public:
  virtual ~Heartbeat() = default;
  /// Called once, on the loop's thread and before all else: a rank that has a core of its own is bound to it here.
  virtual void start() {}
  virtual void set_busy(bool) {}
  virtual void progress() {}
};

}  // namespace switchyard::executor
