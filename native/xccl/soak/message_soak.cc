// Messages of random size between all ranks by the asynchronous calls, some zero-copy out of the zc area, some by try_send. Every
// message says who sent it, to whom and as which one, and its bytes follow from that; none may be lost or come twice.
#include <cstring>
#include <map>

#include "xccl/messenger.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

constexpr uint32_t kEvent = 5;
constexpr uint32_t kNumBytesMax = 65'536;
constexpr uint32_t kNumSendsMax = 8;  // outstanding
constexpr uint32_t kNumZeroCopySlots = 4;
constexpr uint32_t kNoSlot = kNumZeroCopySlots;

/// The first bytes of a message; as large as fits into a ring's field.
struct MessageHead {
  uint32_t src_epoch;
  uint32_t dst_epoch;
  uint32_t number;  // of the messages between these epochs, from 1
  uint16_t src;
  uint16_t dst;
  bool operator==(const MessageHead&) const = default;
};
static_assert(sizeof(MessageHead) == 16);

Random random_of(const MessageHead& head) {
  return Random(((head.src_epoch * 1'000'003ull + head.dst_epoch) * 1'000'003ull + head.number) * 64 + head.src * 8 +
                head.dst);
}

size_t size_of(Random& random) {
  const uint32_t limits[] = {1, 64, 5'000, kNumBytesMax - sizeof(MessageHead)};
  return sizeof(MessageHead) + random.below(limits[random.below(4)]);
}

void write_message(const MessageHead& head, std::span<std::byte> to) {
  std::memcpy(to.data(), &head, sizeof(head));
  Random random(random_of(head).next());
  for (size_t i = sizeof(head); i < to.size(); ++i) to[i] = static_cast<std::byte>(random.next());
}

struct Sending {
  uint32_t dest;
  uint64_t epoch;
  int64_t start_ns;
  uint32_t slot;                 // of the zc area
  std::vector<std::byte> bytes;  // else
};

struct Receiving {
  bool is_out = false;
  uint64_t epoch = 0;
  int64_t start_ns = 0;
  OperationId id;
  std::vector<std::byte> room;
};

class MessageTraffic final : public Traffic {
 public:
  MessageTraffic(Actor& actor, uint32_t kind)
      : actor_(actor), kind_(kind), random_(actor.seed_of(kind)), messenger_(*actor.member().messenger()) {}

  ~MessageTraffic() override {
    for (const auto& [id, sending] : sendings_) (void)messenger_.cancel({id});
    for (const Receiving& receiving : receivings_) {
      if (receiving.is_out) (void)messenger_.cancel(receiving.id);
    }
  }

  void step() override {
    for (uint32_t src = 0; src < actor_.num_ranks(); ++src) receive(src);
    if (sendings_.size() < kNumSendsMax) send(random_.below(actor_.num_ranks()));
    collect();
  }

  bool settle() override {
    for (uint32_t src = 0; src < actor_.num_ranks(); ++src) receive(src);
    collect();
    return sendings_.empty();
  }

 private:
  // ---- Sending ----

  void send(uint32_t dest) {
    const uint64_t epoch = actor_.epoch_of(dest);
    if (epoch == 0) return;
    const MessageHead head{static_cast<uint32_t>(actor_.epoch()), static_cast<uint32_t>(epoch),
                           num_sent_[{dest, epoch}] + 1, static_cast<uint16_t>(actor_.rank()),
                           static_cast<uint16_t>(dest)};
    Random random = random_of(head);
    (void)random.next();
    Sending sending{dest, epoch, now_ns(), free_slot(), {}};
    const size_t num_bytes = size_of(random);
    const bool is_zero_copy = sending.slot != kNoSlot && random_.below(3) == 0;
    if (!is_zero_copy) {
      sending.slot = kNoSlot;
      sending.bytes.resize(num_bytes);
    }
    const uint64_t offset = uint64_t{sending.slot} * kNumBytesMax;
    write_message(head, is_zero_copy ? actor_.member().zc().subspan(offset, num_bytes) : std::span(sending.bytes));
    OperationId id;
    const Status status = is_zero_copy ? send_region(sending, num_bytes, &id) : send_copy(sending, &id);
    if (status.code() == Code::kResourceExhausted) return;
    if (!status.ok()) return actor_.refused(kind_, status, dest, epoch, sending.start_ns);
    num_sent_[{dest, epoch}] += 1;
    if (id.value != 0) sendings_.emplace(id.value, std::move(sending));
  }

  Status send_region(const Sending& sending, size_t num_bytes, OperationId* id) {
    Region region;
    SWITCHYARD_RETURN_IF_ERROR(
        messenger_.register_region(RegionArea::kZc, uint64_t{sending.slot} * kNumBytesMax, num_bytes, &region));
    return messenger_.send_zero_copy_async(sending.dest, kEvent, region, 0, id);
  }

  /// By try_send now and then, when nothing is queued before it.
  Status send_copy(const Sending& sending, OperationId* id) {
    if (sendings_.empty() && random_.below(4) == 0) return messenger_.try_send(sending.dest, kEvent, sending.bytes);
    return messenger_.send_async(sending.dest, kEvent, sending.bytes, 0, id);
  }

  uint32_t free_slot() const {
    bool is_taken[kNumZeroCopySlots + 1] = {};
    for (const auto& [id, sending] : sendings_) is_taken[sending.slot] = true;
    for (uint32_t slot = 0; slot < kNumZeroCopySlots; ++slot) {
      if (!is_taken[slot]) return slot;
    }
    return kNoSlot;
  }

  // ---- Receiving ----

  void receive(uint32_t src) {
    Receiving& receiving = receivings_[src];
    if (receiving.is_out) return;
    const uint64_t epoch = actor_.epoch_of(src);
    if (epoch == 0) return;
    receiving.room.resize(kNumBytesMax);
    receiving.epoch = epoch;
    receiving.start_ns = now_ns();
    const Status status = messenger_.recv_async(src, kEvent, receiving.room, 0, &receiving.id);
    if (status.code() == Code::kResourceExhausted) return;
    if (!status.ok()) return actor_.refused(kind_, status, src, epoch, receiving.start_ns);
    receiving.is_out = true;
    // The rank may have been linked again between the two: then the receive waits on the new link.
    const uint64_t now_epoch = actor_.epoch_of(src);
    if (now_epoch != 0) receiving.epoch = now_epoch;
  }

  void check(uint32_t src, const Receiving& receiving, size_t num_bytes) {
    const std::span<const std::byte> got = std::span(receiving.room).first(num_bytes);
    MessageHead head{};
    if (num_bytes < sizeof(head)) return actor_.fail("message of " + std::to_string(num_bytes) + " bytes");
    std::memcpy(&head, got.data(), sizeof(head));
    Random random = random_of(head);
    (void)random.next();
    std::vector<std::byte> expected(size_of(random));
    write_message(head, expected);
    const bool is_from = head.src == src && head.src_epoch == receiving.epoch && head.dst == actor_.rank();
    if (!is_from || num_bytes != expected.size() || std::memcmp(got.data(), expected.data(), num_bytes) != 0)
      return actor_.fail("message from rank " + std::to_string(src) + ": wrong bytes");
    uint32_t& num_received = num_received_[{src, receiving.epoch}];
    // Sent just when this rank came to life: meant for its last epoch, whose numbers it has.
    const bool is_strayed = num_received == 0 && head.dst_epoch < actor_.epoch();
    if (is_strayed) return;
    num_received += 1;
    if (head.dst_epoch != actor_.epoch() || head.number != num_received)
      return actor_.fail("message " + std::to_string(head.number) + " from rank " + std::to_string(src) +
                         " instead of " + std::to_string(num_received));
    actor_.passed(kind_, src, receiving.epoch);
  }

  // ---- Completions ----

  void collect() {
    std::array<Completion, 16> done;
    const size_t num_done = messenger_.poll(done);
    for (size_t i = 0; i < num_done; ++i) finish(done[i]);
    if (num_done == 0) std::this_thread::yield();
  }

  void finish(const Completion& done) {
    if (const auto found = sendings_.find(done.id.value); found != sendings_.end()) {
      const Sending sending = std::move(found->second);
      sendings_.erase(found);
      if (!done.status.ok()) actor_.refused(kind_, done.status, sending.dest, sending.epoch, sending.start_ns);
      return;
    }
    Receiving& receiving = receivings_[done.peer];
    if (!receiving.is_out || !(receiving.id == done.id)) return actor_.fail("a completion of nothing");
    receiving.is_out = false;
    if (done.status.ok()) return check(done.peer, receiving, done.num_bytes);
    actor_.refused(kind_, done.status, done.peer, receiving.epoch, receiving.start_ns);
  }

  Actor& actor_;
  const uint32_t kind_;
  Random random_;
  Messenger& messenger_;
  std::map<uint64_t, Sending> sendings_;  // by operation
  std::array<Receiving, kNumRanksMax> receivings_;
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> num_sent_;      // by rank and epoch
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> num_received_;  // by rank and epoch
};

}  // namespace

std::unique_ptr<Traffic> make_message_traffic(Actor& actor, uint32_t kind) {
  return std::make_unique<MessageTraffic>(actor, kind);
}

}  // namespace switchyard::xccl::soak
