#include "xccl/broker/broker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/thread.h"

namespace switchyard::xccl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBackoffMin{5};
constexpr milliseconds kBackoffMax{200};
constexpr milliseconds kTickMax{100};
constexpr milliseconds kDrainTick{5};
constexpr milliseconds kCloseMax{1'000};
constexpr size_t kNumHandshakesMax = 2 * kNumRanksMax;

int ms_until(Deadline then, Deadline now) {
  const auto left = std::chrono::ceil<milliseconds>(then - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1'000));
}

}  // namespace

Broker::Broker(LocalRank& local, PeerBook& book)
    : local_(local),
      book_(book),
      last_tick_(std::chrono::steady_clock::now()),
      core_watch_(local.workers(), local.fixed(), local.config().refuge_cores, core_meter_) {}

Broker::~Broker() { stop(); }

Status Broker::start() {
  const std::string& path = local_.config().socket_path;
  SWITCHYARD_RETURN_IF_ERROR(check_private_folder(path));
  event_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) return {Code::kIo, std::string("eventfd: ") + std::strerror(errno)};
  SWITCHYARD_RETURN_IF_ERROR(listen_at(path, &listener_));
  thread_ = start_quiet_thread("xccl-broker", [this] { run(); });
  return {};
}

void Broker::wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread is awake anyway.
  (void)!write(event_.get(), &one, sizeof(one));
}

void Broker::stop() {
  is_stopping_.store(true);
  if (!thread_.joinable()) return;
  wake();
  thread_.join();
}

void Broker::report_corrupt(uint32_t rank, uint64_t serial, std::string reason) {
  {
    std::lock_guard lock(faults_mutex_);
    faults_.push_back({rank, serial, std::move(reason)});
  }
  wake();
}

void Broker::run() {
  alive_words_.hold(local_.fixed(), local_.config().max_ranks);
  while (!is_stopping_.load()) {
    follow_book(std::chrono::steady_clock::now());
    const Ready ready = wait_for_events(std::chrono::steady_clock::now());
    const Deadline now = std::chrono::steady_clock::now();
    if (ready.listener) accept_all();
    advance_handshakes(now);
    read_links(ready.links);
    send_pings();
    take_faults();
    judge_links(now);
    advance_links();
    watch_cores(now);
    survey_cores();
  }
  close_all();
  alive_words_.let_go();
}

// ---- The book ----

void Broker::follow_book(Deadline now) {
  for (uint32_t rank = 0; rank < local_.config().max_ranks; ++rank) {
    if (rank != local_.config().rank) follow_record(rank, book_.find(rank), now);
  }
}

void Broker::follow_record(uint32_t rank, const std::optional<PeerRecord>& record, Deadline now) {
  Link* link = links_[rank].get();
  if (link && link->is_live() && (!record || record->spec.epoch > link->epoch())) {
    end_link(*link, LinkEnd::dead(record ? "replaced by epoch " + std::to_string(record->spec.epoch) : "forgotten"));
  }
  if (!record || record->info.state != PeerState::kExpected) return;
  if (now < record->link_deadline) {
    if (!link && is_dialer(local_, rank, record->spec.epoch)) maybe_dial(*record, now);
    return;
  }
  const std::string why = record->last_refusal.empty() ? "" : " (last: " + record->last_refusal + ")";
  std::erase_if(handshakes_, [rank](const Handshake& handshake) { return handshake.rank() == rank; });
  announce(book_.settle(rank, record->spec.epoch, PeerState::kRefused, Code::kTimeout, "not linked in time" + why));
}

void Broker::maybe_dial(const PeerRecord& record, Deadline now) {
  const uint32_t rank = record.spec.rank;
  Dial& dialing = dials_[rank];
  if (dialing.epoch != record.spec.epoch) dialing = Dial{record.spec.epoch, now, milliseconds(0)};
  if (now < dialing.next || has_handshake(rank)) return;
  FileDescriptor connection;
  Status status = dial(record.spec.socket_path, &connection);
  if (status.ok() && !is_own_user(connection))
    status = {Code::kIo, "another user listens at " + record.spec.socket_path};
  if (status.ok()) {
    handshakes_.push_back(Handshake::dial_side(local_, std::move(connection), rank, record.spec.epoch));
    return;
  }
  book_.note_refusal(rank, status.message());
  schedule_redial(rank, now);
}

void Broker::schedule_redial(uint32_t rank, Deadline now) {
  Dial& dialing = dials_[rank];
  dialing.backoff = std::clamp(2 * dialing.backoff, kBackoffMin, kBackoffMax);
  dialing.next = now + dialing.backoff;
}

bool Broker::has_handshake(uint32_t rank) const {
  return std::any_of(handshakes_.begin(), handshakes_.end(),
                     [rank](const Handshake& handshake) { return handshake.rank() == rank; });
}

// ---- Events ----

int Broker::poll_ms(Deadline now) const {
  milliseconds tick = std::min(kTickMax, local_.config().liveness_timeout / 5);
  // Where nobody has to progress, the next judgement may come later: a hang is still noticed within twice the timeout.
  if (!has_judged_) tick *= 2;
  int wait_ms = ms_until(core_watch_.next_look(), now);
  if (!handshakes_.empty()) wait_ms = std::min(wait_ms, static_cast<int>(kTickMax.count()));
  for (const std::unique_ptr<Link>& link : links_) {
    if (link && link->phase() == LinkPhase::kDraining) return static_cast<int>(kDrainTick.count());
    if (link && link->is_live()) wait_ms = std::min(wait_ms, static_cast<int>(tick.count()));
  }
  for (uint32_t rank = 0; rank < local_.config().max_ranks; ++rank) {
    if (rank == local_.config().rank || links_[rank]) continue;
    const std::optional<PeerRecord> record = book_.find(rank);
    if (!record || record->info.state != PeerState::kExpected) continue;
    wait_ms = std::min(wait_ms, ms_until(record->link_deadline, now));
    if (is_dialer(local_, rank, record->spec.epoch) && !has_handshake(rank))
      wait_ms = std::min(wait_ms, ms_until(dials_[rank].next, now));
  }
  return wait_ms;
}

/// Only what the poll found readable is read: an idle broker's tick is one system call.
Broker::Ready Broker::wait_for_events(Deadline now) {
  std::vector<pollfd> fds = {{event_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  for (const Handshake& handshake : handshakes_) fds.push_back({handshake.connection().get(), POLLIN, 0});
  const size_t first_link = fds.size();
  std::vector<uint32_t> ranks;
  for (const std::unique_ptr<Link>& link : links_) {
    if (!link || link->is_end_of_file()) continue;
    fds.push_back({link->connection().get(), POLLIN, 0});
    ranks.push_back(link->rank());
  }
  Ready ready;
  if (poll(fds.data(), fds.size(), poll_ms(now)) <= 0) return ready;
  uint64_t count = 0;
  if (fds[0].revents != 0) (void)!read(event_.get(), &count, sizeof(count));
  ready.listener = fds[1].revents != 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (fds[first_link + i].revents != 0) ready.links |= uint64_t{1} << ranks[i];
  }
  return ready;
}

void Broker::accept_all() {
  while (handshakes_.size() < kNumHandshakesMax) {
    FileDescriptor connection;
    if (!accept_own_user(listener_, &connection).ok() || !connection) return;
    handshakes_.push_back(Handshake::listen_side(local_, std::move(connection), [this](const Frame& hello) {
      const bool is_known_rank = hello.from_rank < local_.config().max_ranks;
      const std::optional<PeerRecord> record = is_known_rank ? book_.find(hello.from_rank) : std::nullopt;
      const bool is_busy = is_known_rank && (links_[hello.from_rank] || has_handshake(hello.from_rank));
      return judge_hello(local_, hello, record, is_busy);
    }));
  }
}

void Broker::advance_handshakes(Deadline now) {
  // A judge looks at handshakes_ while one of them is advanced, so the list itself stays as it is until all are done.
  for (Handshake& handshake : handshakes_) {
    handshake.advance(now);
    if (handshake.is_over()) finish_handshake(handshake, now);
  }
  std::erase_if(handshakes_, [](const Handshake& handshake) { return handshake.is_over(); });
}

void Broker::finish_handshake(Handshake& handshake, Deadline now) {
  const uint32_t rank = handshake.rank();
  if (rank == kNumRanksMax) return;
  if (handshake.state() == HandshakeState::kLinked) {
    links_[rank] = std::make_unique<Link>(
        local_, handshake, [this] { wake(); }, now);
    announce(book_.settle(rank, handshake.epoch(), PeerState::kLinked, Code::kOk, ""));
    return;
  }
  if (handshake.state() == HandshakeState::kRefused) {
    announce(book_.settle(rank, handshake.epoch(), PeerState::kRefused, handshake.code(), handshake.reason()));
    return;
  }
  book_.note_refusal(rank, handshake.reason());
  schedule_redial(rank, now);
}

// ---- Links ----

void Broker::read_links(uint64_t ranks) {
  for (const std::unique_ptr<Link>& link : links_) {
    if (!link || link->is_end_of_file() || (ranks >> link->rank() & 1) == 0) continue;
    const LinkEnd why = link->on_readable(desk_);
    if (why.is_over() && link->is_live()) end_link(*link, why);
  }
}

Status Broker::ping(uint32_t rank, Deadline deadline, Pong* out) {
  return desk_.ask(rank, deadline, out, [this] { wake(); });
}

void Broker::send_pings() {
  desk_.send_all([this](uint32_t rank, uint64_t id) -> Status {
    Link* link = links_[rank].get();
    if (!link || !link->is_live()) return book_.explain_unlinked(rank);
    // Fails when the peer has not read its last ones: no answer will come either.
    (void)link->send_ping(id);
    return {};
  });
}

void Broker::take_faults() {
  std::vector<Fault> faults;
  {
    std::lock_guard lock(faults_mutex_);
    faults.swap(faults_);
  }
  for (const Fault& fault : faults) {
    Link* link = links_[fault.rank].get();
    if (link && link->is_live() && link->serial() == fault.serial) end_link(*link, LinkEnd::own_corrupt(fault.reason));
  }
}

void Broker::judge_links(Deadline now) {
  const bool has_overslept = now - last_tick_ > kTickMax + local_.config().liveness_timeout / 2;
  last_tick_ = now;
  has_judged_ = false;
  for (const std::unique_ptr<Link>& link : links_) {
    if (!link || !link->is_live()) continue;
    const LinkEnd why = link->check_liveness(now, has_overslept);
    has_judged_ = has_judged_ || link->must_progress();
    if (why.is_over()) end_link(*link, why);
  }
}

void Broker::advance_links() {
  for (std::unique_ptr<Link>& link : links_) {
    if (!link) continue;
    link->advance();
    if (link->phase() != LinkPhase::kOver) continue;
    local_.reset_pair(link->rank());
    link.reset();
  }
}

void Broker::watch_cores(Deadline now) {
  if (!core_watch_.may_look(now)) return;
  CoreUses peers;
  for (const std::unique_ptr<Link>& link : links_) {
    if (link && link->is_live()) peers.add_peer(link->cores(), link->core_shares());
  }
  core_watch_.look(peers);
}

void Broker::survey_cores() {
  std::array<CoreMask, kNumRanksMax> peers;
  size_t num_peers = 0;
  for (const std::unique_ptr<Link>& link : links_) {
    if (link && link->is_live()) peers[num_peers++] = link->cores();
  }
  local_.set_crowded(is_crowded(local_.cores(), {peers.data(), num_peers}, local_.config().num_local_ranks));
}

void Broker::end_link(Link& link, const LinkEnd& why) {
  // The book first: whoever finds the link retracted finds the reason there.
  const std::optional<PeerInfo> change =
      book_.settle(link.rank(), link.epoch(), PeerState::kDead, why.code, why.reason);
  desk_.fail(link.rank(), {Code::kPeerDead, "rank " + std::to_string(link.rank()) + ": " + why.reason});
  link.end(why);
  announce(change);
}

void Broker::announce(const std::optional<PeerInfo>& change) {
  if (change && local_.config().on_peer_change && !is_stopping_.load()) local_.config().on_peer_change(*change);
}

// ---- The end ----

void Broker::close_all() {
  desk_.close();
  listener_.reset();
  unlink(local_.config().socket_path.c_str());
  handshakes_.clear();
  for (const std::unique_ptr<Link>& link : links_) {
    if (link && link->is_live()) link->end(LinkEnd::closed("it closed its communicator"));
  }
  const Deadline deadline = deadline_in(kCloseMax);
  const auto is_draining = [](const std::unique_ptr<Link>& link) {
    return link && link->phase() == LinkPhase::kDraining;
  };
  while (std::any_of(links_.begin(), links_.end(), is_draining) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const std::unique_ptr<Link>& link : links_) {
      if (link) link->advance();
    }
  }
  // A link that is still in use keeps its mapping until the communicator's destructor.
  for (std::unique_ptr<Link>& link : links_) {
    if (link && link->phase() != LinkPhase::kDraining) link.reset();
  }
}

}  // namespace switchyard::xccl
