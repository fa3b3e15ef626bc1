#include "xccl/group/rounds.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/cpu_relax.h"
#include "base/prefetch.h"
#include "xccl/layout/small_bytes.h"
#include "xccl/link/event_text.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

/// So many bytes are pulled between two looks at deadline and death: a look costs as much as a small row.
constexpr uint64_t kPullPieceBytes = 1 << 20;

/// About 5 us: what a core takes to switch to a rank that has not published yet.
constexpr uint32_t kNumLooksElsewhere = 150;

constexpr uint64_t generation_of(uint64_t word) { return word >> kGroupGenerationShift; }
constexpr uint64_t code_of(uint64_t word) { return word & ((1ull << kGroupGenerationShift) - 1); }

Area area_of(GroupSource source) {
  if (source == GroupSource::kApp) return Area::kApp;
  return source == GroupSource::kZc ? Area::kZc : Area::kCtrl;
}

/// The first member at or after `start`, round the circle, of a set that is not empty: members begin with different peers.
uint32_t first_from(uint64_t members, uint32_t start) {
  const uint64_t behind = members & (~0ull << start);
  return static_cast<uint32_t>(std::countr_zero(behind != 0 ? behind : members));
}

bool is_inside(std::span<const std::byte> bytes, std::span<const std::byte> area) {
  return bytes.data() >= area.data() && bytes.data() + bytes.size() <= area.data() + area.size();
}

}  // namespace

// ---- Open, enter, leave ----

Rounds::Rounds(LocalRank& local, GroupGenerations& generations)
    : local_(local), generations_(generations), layout_(local.layout().group_layout()) {}

Status Rounds::open(LocalRank& local, GroupGenerations& generations, GroupSpec spec, std::unique_ptr<Rounds>* out) {
  std::unique_ptr<Rounds> made(new Rounds(local, generations));
  SWITCHYARD_RETURN_IF_ERROR(Members::open(local, std::move(spec), &made->members_));
  made->all_ = ~0ull >> (64 - made->size());
  made->base_ = local.ctrl().data() + local.layout().group(made->spec().id);
  made->fields_ = reinterpret_cast<GroupFields*>(made->base_ + GroupLayout::fields(0));
  const uint32_t last = generations.current(made->spec().id);
  if (!generations.raise(made->spec().id, made->spec().generation)) {
    return {Code::kStale, made->call_text() + " cannot be opened: generation " + std::to_string(last) + " was"};
  }
  Status status = made->members_.hold(local);
  if (status.ok()) made->announce(Code::kOk);
  made->members_.let_go(local);
  SWITCHYARD_RETURN_IF_ERROR(status);
  *out = std::move(made);
  return {};
}

Status Rounds::enter(const CallTag& tag, Deadline deadline) {
  SWITCHYARD_RETURN_IF_ERROR(broken_);
  tag_ = tag;
  deadline_ = deadline;
  bytes_since_look_ = 0;
  if (generations_.current(spec().id) != spec().generation) return opened_again();
  SWITCHYARD_RETURN_IF_ERROR(members_.hold(local_));
  return has_met_ ? Status() : meet();
}

Status Rounds::leave(Status status) {
  if (!status.ok() && broken_.ok()) {
    broken_ = status;
    const bool is_current = generations_.current(spec().id) == spec().generation;
    if (is_current && !local_.is_closing()) announce(status.code());
  }
  members_.let_go(local_);
  scope_ = nullptr;
  return status;
}

/// Tells all members the generation and, if it is one, the failure. No arrival that a sleeper counts: so each is rung as often
/// as a sleeper may miss arrivals.
void Rounds::announce(Code code) {
  const uint64_t word = seq_of(static_cast<uint64_t>(code));
  for (uint32_t member = 0; member < size(); ++member) {
    if (!members_.is_held(member)) continue;
    // A peer that cannot be told is found dead by its own link.
    for (uint32_t ring = 0; ring < size(); ++ring) (void)members_.link(member).announce(word);
  }
}

/// Before the first round: all members have opened this generation, so nobody reads what earlier ones left in this rank's halves.
Status Rounds::meet() {
  missing_ = all_;
  const PartTimer timer(scope_, CallPart::kWait);
  SWITCHYARD_RETURN_IF_ERROR(wait_for([this](Status* fault) -> uint32_t {
    for (uint64_t left = missing_; left != 0; left &= left - 1) {
      const auto member = static_cast<uint32_t>(std::countr_zero(left));
      const uint64_t word = fields_of(member).control.word.load(std::memory_order_seq_cst);
      if (word == seq_of(0)) {
        missing_ &= ~(1ull << member);
      } else if (*fault = judge_control(member, word, false); !fault->ok()) {
        return 0;
      }
    }
    return static_cast<uint32_t>(std::popcount(missing_));
  }));
  has_met_ = true;
  return {};
}

// ---- Publish ----

std::span<std::byte> Rounds::half() { return {base_ + layout_.half(half_of(round_ + 1)), layout_.half_bytes()}; }

bool Rounds::zero_copy(std::span<const std::byte> bytes, uint64_t detail, Outgoing* out) const {
  for (const GroupSource source : {GroupSource::kApp, GroupSource::kZc}) {
    const std::span<const std::byte> area = source == GroupSource::kApp ? local_.app().span() : local_.zc().span();
    if (!is_inside(bytes, area)) continue;
    *out = {source, static_cast<uint64_t>(bytes.data() - area.data()), bytes.size(), nullptr, detail};
    return true;
  }
  return false;
}

Status Rounds::publish(std::span<const Outgoing> outgoing) {
  const uint32_t num_members = size();
  if (missing_ != 0 || outgoing.size() != num_members) return misused("publish out of turn");
  round_ += 1;
  missing_ = all_;
  arrived_ = 0;
  // All lines are fetched side by side; one store after the other would wait for its own.
  for (uint32_t member = 0; member < num_members; ++member) {
    if (const GroupField* field = members_.link(member).field(half_of(round_))) prefetch_for_write(field);
  }
  uint32_t member = self();
  do {
    member = member + 1 == num_members ? 0 : member + 1;
    SWITCHYARD_RETURN_IF_ERROR(publish_to(member, outgoing[member]));
  } while (member != self());
  members_.ring();
  return {};
}

Status Rounds::publish_to(uint32_t member, const Outgoing& outgoing) {
  if (outgoing.source == GroupSource::kInline && outgoing.num_bytes > kGroupInlineBytesMax)
    return misused("an inline contribution of " + std::to_string(outgoing.num_bytes));
  if (GroupField* field = members_.link(member).field(half_of(round_))) {
    write_body(outgoing, &field->body);
    field->seq.store(seq_of(round_), std::memory_order_release);
    return {};
  }
  GroupFieldBody body;
  write_body(outgoing, &body);
  return members_.link(member).publish(half_of(round_), body, seq_of(round_));
}

/// `body` is the member's field itself where that is mapped: a copy of a body just written would wait for the stores behind it.
void Rounds::write_body(const Outgoing& outgoing, GroupFieldBody* body) const {
  body->event = tag_.event;
  body->operation = static_cast<uint16_t>(tag_.operation);
  body->source = outgoing.source;
  body->num_bytes = outgoing.num_bytes;
  body->agreed = tag_.agreed;
  body->detail = outgoing.detail;
  if (outgoing.source != GroupSource::kInline) {
    body->offset = outgoing.offset;
    return;
  }
  const uint64_t num_first = std::min<uint64_t>(outgoing.num_bytes, kSmallBytesMax);
  const SmallBytes first = small_load(outgoing.payload, num_first);
  const SmallBytes rest = small_load(outgoing.payload + num_first, outgoing.num_bytes - num_first);
  body->payload[0] = first.words[0];
  body->payload[1] = first.words[1];
  body->payload[2] = rest.words[0];
}

// ---- Wait and take ----

/// look(Status* fault) returns how many arrivals are missing at least; 0 when there is something to do, or a fault.
template <class Look>
Status Rounds::wait_for(Look&& look) {
  Status fault;
  const bool is_done = wait_on(
      local_.waiter(bell_of_group(spec().id)), deadline_, [&] { return look(&fault); }, [this] { local_.progress(); });
  // When time is up a fault says more, and what has come just now still counts.
  if (!is_done && look(&fault) == 0 && fault.ok()) return {};
  if (!fault.ok()) return fault;
  return is_done ? Status() : timed_out();
}

Status Rounds::next(const Arrival** out) {
  *out = nullptr;
  if (missing_ == 0) return {};
  if (arrived_ == 0 && !find_arrivals()) SWITCHYARD_RETURN_IF_ERROR(wait_for_arrivals());
  const uint32_t member = first_from(arrived_, self());
  arrived_ &= ~(1ull << member);
  return take(member, out);
}

Status Rounds::wait_for_arrivals() {
  const PartTimer timer(scope_, CallPart::kWait);
  if (look_elsewhere()) return {};
  // next() has just looked: what is missing is on its way as a rule, and faults keep until the next look.
  bool has_looked = true;
  // Whoever sleeps here sleeps until all that is missing has come, though it takes whatever comes while it is awake.
  return wait_for([&](Status* fault) -> uint32_t {
    if (std::exchange(has_looked, false)) return static_cast<uint32_t>(std::popcount(missing_));
    if (find_arrivals()) return 0;
    *fault = find_fault();
    if (fault->ok()) return static_cast<uint32_t>(std::popcount(missing_));
    // What a rank published before it failed counts, also when both happened since the first look.
    if (find_arrivals()) *fault = {};
    return 0;
  });
}

/// Who waits for nobody on its own core keeps that core from nobody by looking: a short while, since a switch costs more.
bool Rounds::look_elsewhere() {
  if ((missing_ & ~members_.elsewhere()) != 0) return false;
  for (uint32_t look = 0; look < kNumLooksElsewhere; ++look) {
    cpu_relax();
    if (find_arrivals()) return true;
  }
  return false;
}

/// All at once, so that lines which other cores have written are fetched side by side.
bool Rounds::find_arrivals() {
  const uint64_t seq = seq_of(round_);
  const uint32_t half = half_of(round_);
  uint64_t arrived = 0;
  for (uint64_t left = missing_; left != 0; left &= left - 1) {
    const auto member = static_cast<uint32_t>(std::countr_zero(left));
    const bool has_come = fields_of(member).halves[half].seq.load(std::memory_order_seq_cst) == seq;
    arrived |= uint64_t{has_come} << member;
  }
  arrived_ = arrived;
  return arrived != 0;
}

/// Why some missing contribution will never come, if that shows.
Status Rounds::find_fault() {
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  for (uint64_t left = missing_; left != 0; left &= left - 1) {
    const auto member = static_cast<uint32_t>(std::countr_zero(left));
    GroupFields& fields = fields_of(member);
    SWITCHYARD_RETURN_IF_ERROR(judge_seq(member, fields.halves[half_of(round_)].seq.load(std::memory_order_seq_cst)));
    SWITCHYARD_RETURN_IF_ERROR(judge_control(member, fields.control.word.load(std::memory_order_seq_cst), true));
  }
  return {};
}

/// What a line may hold before the round's publication: an older generation's, or the round before the last.
Status Rounds::judge_seq(uint32_t member, uint64_t seq) {
  if (seq < seq_of(0) || seq == seq_of(round_)) return {};
  if (round_ > kNumHalves && seq == seq_of(round_ - kNumHalves)) return {};
  if (generation_of(seq) > spec().generation)
    return error(Code::kStale, member, "has opened generation " + std::to_string(generation_of(seq)));
  return corrupt(member, "sequence word " + std::to_string(seq) + " instead of " + std::to_string(seq_of(round_)));
}

Status Rounds::judge_control(uint32_t member, uint64_t word, bool is_met) {
  const uint64_t generation = generation_of(word);
  if (generation > spec().generation)
    return error(Code::kStale, member, "has opened generation " + std::to_string(generation));
  // The link is looked at after the word: what a rank published before it died counts.
  if (!members_.link(member).is_live()) return unlinked(member);
  if (word == seq_of(0) || (generation < spec().generation && !is_met)) return {};
  if (generation < spec().generation || code_of(word) > static_cast<uint64_t>(Code::kInternal))
    return corrupt(member, "control word " + std::to_string(word));
  return error(static_cast<Code>(code_of(word)), member, "gave up with code " + std::to_string(code_of(word)));
}

Status Rounds::take(uint32_t member, const Arrival** out) {
  const GroupFieldBody& body = fields_of(member).halves[half_of(round_)].body;
  const uint16_t operation = load_once(body.operation);
  const uint32_t event = load_once(body.event);
  const uint64_t agreed = load_once(body.agreed);
  if (operation != static_cast<uint16_t>(tag_.operation) || event != tag_.event || agreed != tag_.agreed)
    return other_call(member, operation, event, agreed);
  Arrival& arrival = arrivals_[member];
  arrival.member = member;
  arrival.source = load_once(body.source);
  arrival.num_bytes = load_once(body.num_bytes);
  arrival.detail = load_once(body.detail);
  arrival.offset = 0;
  if (arrival.source != GroupSource::kInline) {
    arrival.offset = load_once(body.offset);
  } else {
    for (uint32_t word = 0; word < kGroupInlineWords; ++word) arrival.payload[word] = load_once(body.payload[word]);
  }
  if (!is_possible(arrival.source, arrival.offset, arrival.num_bytes))
    return impossible(member, arrival.source, arrival.offset, arrival.num_bytes);
  missing_ &= ~(1ull << member);
  if (scope_ && member != self()) scope_->add_bytes(rank(member), arrival.num_bytes);
  *out = &arrival;
  return {};
}

/// App and zero-copy areas are checked by the fabric, which knows their sizes.
bool Rounds::is_possible(GroupSource source, uint64_t offset, uint64_t num_bytes) const {
  if (source == GroupSource::kInline) return num_bytes <= kGroupInlineBytesMax;
  if (source != GroupSource::kManaged) return source <= GroupSource::kZc;
  const uint64_t half_bytes = layout_.half_bytes();
  return num_bytes <= half_bytes && offset <= half_bytes - num_bytes;
}

// ---- Pull ----

uint64_t Rounds::area_offset(const Arrival& arrival) const {
  if (arrival.source != GroupSource::kManaged) return arrival.offset;
  return members_.link(arrival.member).base() + layout_.half(half_of(round_)) + arrival.offset;
}

Status Rounds::pull(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst) {
  if (dst.size() > arrival.num_bytes || offset > arrival.num_bytes - dst.size())
    return too_short(arrival, offset, dst.size());
  if (arrival.source == GroupSource::kInline) {
    const std::byte* from = std::as_bytes(std::span(arrival.payload)).data() + offset;
    if (dst.size() > kSmallBytesMax) {
      std::memcpy(dst.data(), from, dst.size());
    } else {
      small_store(dst.data(), small_load(from, dst.size()), dst.size());
    }
    return {};
  }
  const PartTimer timer(scope_, CallPart::kCopy);
  for (uint64_t done = 0; done < dst.size(); done += kPullPieceBytes) {
    const uint64_t num_bytes = std::min<uint64_t>(kPullPieceBytes, dst.size() - done);
    SWITCHYARD_RETURN_IF_ERROR(pull_piece(arrival, offset + done, dst.subspan(done, num_bytes)));
  }
  return {};
}

Status Rounds::pull_piece(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst) {
  const MemberLink& link = members_.link(arrival.member);
  if (bytes_since_look_ >= kPullPieceBytes) {
    if (!link.is_live()) return unlinked(arrival.member);
    if (std::chrono::steady_clock::now() >= deadline_)
      return error(Code::kTimeout, arrival.member, "pulling takes long");
    local_.progress();
    bytes_since_look_ = 0;
  }
  bytes_since_look_ += dst.size();
  const Status status = link.fabric().get(area_of(arrival.source), area_offset(arrival) + offset, dst);
  return status.ok() ? Status() : corrupt(arrival.member, status.message());
}

Status Rounds::region(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes, Arrival* out) {
  if (!is_possible(source, offset, num_bytes)) return impossible(member, source, offset, num_bytes);
  if (source == GroupSource::kInline) return corrupt(member, "names bytes inside a field");
  out->member = member;
  out->source = source;
  out->offset = offset;
  out->num_bytes = num_bytes;
  if (scope_ && member != self()) scope_->add_bytes(rank(member), num_bytes);
  return {};
}

const std::byte* Rounds::map(const Arrival& arrival) {
  if (arrival.source == GroupSource::kInline) return std::as_bytes(std::span(arrivals_[arrival.member].payload)).data();
  if (arrival.member == self()) return map_own(arrival);
  return members_.link(arrival.member).fabric().map(area_of(arrival.source), area_offset(arrival), arrival.num_bytes);
}

const std::byte* Rounds::map_own(const Arrival& arrival) {
  const std::span<std::byte> areas[] = {local_.ctrl().span(), local_.app().span(), local_.zc().span()};
  const std::span<std::byte> area = areas[static_cast<size_t>(area_of(arrival.source))];
  const uint64_t offset = area_offset(arrival);
  return arrival.num_bytes <= area.size() && offset <= area.size() - arrival.num_bytes ? area.data() + offset : nullptr;
}

// ---- Errors ----

std::string Rounds::call_text() const {
  return "group " + std::to_string(spec().id) + " generation " + std::to_string(spec().generation) + ", " +
         operation_name(static_cast<uint16_t>(tag_.operation)) + " event " + std::to_string(tag_.event) + " round " +
         std::to_string(round_);
}

Status Rounds::misused(const std::string& text) const { return {Code::kInternal, call_text() + ": " + text}; }

Status Rounds::opened_again() const { return {Code::kStale, call_text() + ": the group was opened again"}; }

Status Rounds::impossible(uint32_t member, GroupSource source, uint64_t offset, uint64_t num_bytes) {
  if (source > GroupSource::kZc) return corrupt(member, "malformed field");
  if (source == GroupSource::kInline) return corrupt(member, std::to_string(num_bytes) + " bytes inside a field");
  return corrupt(member, std::to_string(num_bytes) + " bytes at " + std::to_string(offset) + " in a half of " +
                             std::to_string(layout_.half_bytes()));
}

Status Rounds::too_short(const Arrival& arrival, uint64_t offset, uint64_t num_bytes) {
  return corrupt(arrival.member, "contributed " + std::to_string(arrival.num_bytes) + " bytes, needed are " +
                                     std::to_string(num_bytes) + " at " + std::to_string(offset));
}

/// What differs between the member's call and this rank's.
Status Rounds::other_call(uint32_t member, uint16_t operation, uint32_t event, uint64_t agreed) const {
  if (operation != static_cast<uint16_t>(tag_.operation))
    return mismatch(member, std::string("is in ") + operation_name(operation));
  if (event != tag_.event) return mismatch(member, "has event " + std::to_string(event));
  return mismatch(member, "has " + agreed_text(agreed) + " where this rank has " + agreed_text(tag_.agreed));
}

std::string Rounds::agreed_text(uint64_t agreed) const {
  return tag_.agreed_text ? tag_.agreed_text(agreed) : std::to_string(agreed);
}

Status Rounds::error(Code code, uint32_t member, const std::string& text) const {
  return {code, call_text() + ": " + rank_text(rank(member)) + " " + text};
}

Status Rounds::mismatch(uint32_t member, const std::string& text) const { return error(Code::kMismatch, member, text); }

Status Rounds::corrupt(uint32_t member, const std::string& text) {
  Status status = error(Code::kCorrupt, member, text);
  local_.report_corrupt(rank(member), members_.link(member).serial(), status.message());
  return status;
}

Status Rounds::unlinked(uint32_t member) const {
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  const Status why = local_.explain_unlinked(rank(member));
  return {why.code(), call_text() + ": " + why.message()};
}

Status Rounds::timed_out() const {
  std::string ranks;
  for (uint32_t member = 0; member < size(); ++member) {
    if ((missing_ >> member & 1) != 0) ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank(member));
  }
  return {Code::kTimeout, call_text() + ": no contribution from ranks " + ranks};
}

}  // namespace switchyard::xccl
