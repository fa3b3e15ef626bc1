#include "xccl/group/rounds.h"

#include <sched.h>

#include <algorithm>
#include <bit>

#include "base/cpu_relax.h"
#include "base/plain_copy.h"
#include "xccl/link/event_text.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

/// So many bytes are pulled between two looks at deadline and death: a look costs as much as a small row.
constexpr uint64_t kPullPieceBytes = 1 << 20;

/// About 5 us: what a core takes to switch to a rank that has not published yet.
constexpr uint32_t kNumLooksElsewhere = 150;

/// Rounds after which members are asked where they run: one that has gone from this rank's core makes no wait vain.
constexpr uint64_t kNumRoundsOnCores = 1024;

constexpr uint64_t generation_of(uint64_t word) { return word >> kGroupGenerationShift; }
constexpr uint64_t code_of(uint64_t word) { return word & ((1ull << kGroupGenerationShift) - 1); }

Area area_of(GroupSource source) {
  if (source == GroupSource::kApp) return Area::kApp;
  return source == GroupSource::kZc ? Area::kZc : Area::kCtrl;
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
  const uint32_t last = generations.current(made->spec().id);
  if (!generations.raise(made->spec().id, made->spec().generation)) {
    return {Code::kStale, made->call_text() + " cannot be opened: generation " + std::to_string(last) + " was"};
  }
  Status status = made->members_.hold(local);
  if (status.ok()) {
    made->members_.note_cores(local.cores());
    made->announce(Code::kOk);
  }
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
      const uint64_t word = members_.link(member).control().word.load(std::memory_order_seq_cst);
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

Status Rounds::publish(std::span<const Outgoing> outgoing) {
  if (outgoing.size() != size()) return misused("publish of another number of contributions");
  return publish_each([outgoing](uint32_t member) -> const Outgoing& { return outgoing[member]; });
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

/// Until some of what is missing has come.
Status Rounds::wait_for_arrivals(uint64_t* arrived) {
  const PartTimer timer(scope_, CallPart::kWait);
  if (round_ % kNumRoundsOnCores == 0) members_.note_cores(local_.cores());
  *arrived = (missing_ & ~members_.elsewhere()) != 0 ? yield_once() : look_elsewhere();
  if (*arrived != 0) return {};
  // That was a look: what is missing is on its way as a rule, and faults keep until the next look. Those are at all members: whoever
  // sleeps counts what is missing.
  bool has_looked = true;
  // Whoever sleeps here sleeps until all that is missing has come, though it takes whatever comes while it is awake.
  return wait_for([&](Status* fault) -> uint32_t {
    if (std::exchange(has_looked, false)) return static_cast<uint32_t>(std::popcount(missing_));
    *arrived = find_arrivals(missing_);
    if (*arrived != 0) return 0;
    *fault = find_fault();
    if (fault->ok()) return static_cast<uint32_t>(std::popcount(missing_));
    // What a rank published before it failed counts, also when both happened since the first look.
    *arrived = find_arrivals(missing_);
    if (*arrived != 0) *fault = {};
    return 0;
  });
}

void Rounds::let_neighbours_publish() {
  const uint64_t neighbours = all_ & ~members_.elsewhere() & ~(1ull << self());
  if (neighbours == 0 || !local_.waiter(bell_of_group(spec().id)).may_begin_with_yield()) return;
  const PartTimer timer(scope_, CallPart::kWait);
  // Each runs once: more yields would wait for one that is away.
  for (uint32_t turn = 0; turn < size(); ++turn) {
    sched_yield();
    if (find_arrivals(neighbours) == neighbours) return;
  }
}

/// Who waits for somebody on its own core lets that one run.
uint64_t Rounds::yield_once() {
  Waiter& waiter = local_.waiter(bell_of_group(spec().id));
  if (!waiter.may_yield_untimed()) return 0;
  sched_yield();
  const uint64_t arrived = look();
  if (arrived != 0) waiter.note_untimed();
  return arrived;
}

/// Who waits for nobody on its own core keeps that core from nobody by looking: a short while, since a switch costs more. In vain it
/// was if one of them has moved here.
uint64_t Rounds::look_elsewhere() {
  for (uint32_t look = 0; look < kNumLooksElsewhere; ++look) {
    cpu_relax();
    if (const uint64_t arrived = find_arrivals(missing_); arrived != 0) return arrived;
  }
  members_.note_cores(local_.cores());
  return 0;
}

/// Why some missing contribution will never come, if that shows.
Status Rounds::find_fault() {
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  for (uint64_t left = missing_; left != 0; left &= left - 1) {
    const auto member = static_cast<uint32_t>(std::countr_zero(left));
    const MemberLink& link = members_.link(member);
    SWITCHYARD_RETURN_IF_ERROR(judge_seq(member, link.arrived(half_of(round_)).seq.load(std::memory_order_seq_cst)));
    SWITCHYARD_RETURN_IF_ERROR(judge_control(member, link.control().word.load(std::memory_order_seq_cst), true));
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

// ---- Pull ----

uint64_t Rounds::area_offset(const Arrival& arrival) const {
  if (arrival.source != GroupSource::kManaged) return arrival.offset;
  return members_.link(arrival.member).base() + layout_.half(half_of(round_)) + arrival.offset;
}

/// Whatever is not the beginning of what lay in a field.
Status Rounds::pull_rest(const Arrival& arrival, uint64_t offset, std::span<std::byte> dst) {
  if (arrival.source == GroupSource::kInline) {
    plain_copy(dst.data(), std::as_bytes(std::span(arrival.payload)).data() + offset, dst.size());
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
  if (arrival.source == GroupSource::kInline) return std::as_bytes(std::span(arrival.payload)).data();
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
Status Rounds::other_call(uint32_t member, const GroupFieldBody& body) const {
  const uint16_t operation = load_once(body.operation);
  const uint32_t event = load_once(body.event);
  if (operation != static_cast<uint16_t>(tag_.operation))
    return mismatch(member, std::string("is in ") + operation_name(operation));
  if (event != tag_.event) return mismatch(member, "has event " + std::to_string(event));
  return mismatch(member,
                  "has " + agreed_text(load_once(body.agreed)) + " where this rank has " + agreed_text(tag_.agreed));
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
