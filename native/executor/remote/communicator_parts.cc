#include "executor/remote/communicator_parts.h"

namespace switchyard::executor {
namespace {

/// A source whose link is still being made is waited for this long; the loop's other sequences wait with it.
constexpr auto kLinkWait = std::chrono::milliseconds(250);
constexpr auto kReadWait = std::chrono::milliseconds(1000);

}  // namespace

void pin_worker_of(const xccl::Communicator& communicator) {
  // Refused only when the process lost that core since its start: it then runs where it may, which costs time alone.
  (void)communicator.pin_worker(0);
}

std::function<void(int worker)> pin_workers_of(std::shared_ptr<xccl::Communicator> communicator) {
  return [communicator = std::move(communicator)](int worker) { (void)communicator->pin_worker(worker); };
}

Status CommunicatorKvReader::read(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst) {
  if (communicator_->linked_epoch(rank) != epoch)
    SWITCHYARD_RETURN_IF_ERROR(communicator_->wait_linked(rank, epoch, xccl::deadline_in(kLinkWait)));
  return communicator_->get(rank, epoch, offset, dst, xccl::deadline_in(kReadWait));
}

}  // namespace switchyard::executor
