// What the loop needs of a communicator besides experts: KV of other ranks, and signs of life.
#pragma once

#include <functional>
#include <memory>

#include "executor/kv/kv_reader.h"
#include "executor/model/heartbeat.h"
#include "xccl/api.h"

namespace switchyard::executor {

/// Binds the calling thread, the one that computes for this rank, to the core that the communicator's configuration names, if any.
void pin_worker_of(const xccl::Communicator& communicator);

/// What binds the workers of a rank's pool to its cores: worker i to the i-th, going round.
std::function<void(int worker)> pin_workers_of(std::shared_ptr<xccl::Communicator> communicator);

class CommunicatorKvReader : public KvReader {
 public:
  explicit CommunicatorKvReader(std::shared_ptr<xccl::Communicator> communicator)
      : communicator_(std::move(communicator)) {}
  Status read(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst) override;

 private:
  std::shared_ptr<xccl::Communicator> communicator_;
};

class CommunicatorHeartbeat : public Heartbeat {
 public:
  explicit CommunicatorHeartbeat(std::shared_ptr<xccl::Communicator> communicator)
      : communicator_(std::move(communicator)) {}
  void start() override { pin_worker_of(*communicator_); }
  void set_busy(bool busy) override { communicator_->set_busy(busy); }
  void progress() override { communicator_->progress(); }

 private:
  std::shared_ptr<xccl::Communicator> communicator_;
};

}  // namespace switchyard::executor
