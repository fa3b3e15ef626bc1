#include "xccl/group/reduce_arrivals.h"

#include <algorithm>

#include "xccl/group/reduce.h"

namespace switchyard::xccl {
namespace {

/// Mapped sources are added in pieces of this size, with a sign of life between them.
constexpr uint64_t kPieceBytes = 1 << 20;
constexpr uint64_t kScratchBytes = 64 << 10;
static_assert(kScratchBytes / kNumRanksMax % kLineBytes == 0);

using Pointers = std::array<const std::byte*, kNumRanksMax>;

template <class Element>
void add_as(const Pointers& sources, uint32_t num_sources, std::span<std::byte> out) {
  std::array<const Element*, kNumRanksMax> typed;
  for (uint32_t i = 0; i < num_sources; ++i) typed[i] = reinterpret_cast<const Element*>(sources[i]);
  reduce_tree({typed.data(), num_sources}, out.size() / sizeof(Element), reinterpret_cast<Element*>(out.data()));
}

void add(ElementType type, const Pointers& sources, uint32_t num_sources, std::span<std::byte> out) {
  if (type == ElementType::kFloat32) {
    add_as<float>(sources, num_sources, out);
  } else {
    add_as<int32_t>(sources, num_sources, out);
  }
}

/// False when the fabric cannot map one of them, or a peer chose an odd place for it.
bool map_all(Rounds& rounds, const Arrivals& arrivals, const std::byte* own, Pointers* out) {
  for (uint32_t member = 0; member < rounds.size(); ++member) {
    const std::byte* begin = member == rounds.self() ? own : rounds.map(arrivals[member]);
    if (!begin || reinterpret_cast<uintptr_t>(begin) % sizeof(float) != 0) return false;
    (*out)[member] = begin;
  }
  return true;
}

void add_mapped(Rounds& rounds, ElementType type, Pointers sources, std::span<std::byte> out) {
  for (uint64_t done = 0; done < out.size(); done += kPieceBytes) {
    if (done != 0) rounds.local().progress();
    const uint64_t num_bytes = std::min<uint64_t>(kPieceBytes, out.size() - done);
    add(type, sources, rounds.size(), out.subspan(done, num_bytes));
    for (uint32_t member = 0; member < rounds.size(); ++member) sources[member] += num_bytes;
  }
}

Status add_pulled(Rounds& rounds, const Arrivals& arrivals, ElementType type, const std::byte* own,
                  std::span<std::byte> out) {
  alignas(kLineBytes) std::array<std::byte, kScratchBytes> scratch;
  const uint64_t block = kScratchBytes / rounds.size() / kLineBytes * kLineBytes;
  Pointers sources;
  for (uint64_t done = 0; done < out.size(); done += block) {
    const uint64_t num_bytes = std::min(block, out.size() - done);
    for (uint32_t member = 0; member < rounds.size(); ++member) {
      const std::span<std::byte> into(scratch.data() + member * block, num_bytes);
      sources[member] = member == rounds.self() ? own + done : into.data();
      if (member != rounds.self()) SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrivals[member], done, into));
    }
    add(type, sources, rounds.size(), out.subspan(done, num_bytes));
  }
  return {};
}

}  // namespace

Status reduce_arrivals(Rounds& rounds, const Arrivals& arrivals, ElementType type, const std::byte* own,
                       std::span<std::byte> out) {
  for (uint32_t member = 0; member < rounds.size(); ++member) {
    const uint64_t num_bytes = arrivals[member].num_bytes;
    if (num_bytes >= out.size() || member == rounds.self()) continue;
    return rounds.corrupt(
        member, "contributes " + std::to_string(num_bytes) + " bytes instead of " + std::to_string(out.size()));
  }
  if (out.empty()) return {};
  Pointers sources;
  if (!map_all(rounds, arrivals, own, &sources)) return add_pulled(rounds, arrivals, type, own, out);
  add_mapped(rounds, type, sources, out);
  return {};
}

}  // namespace switchyard::xccl
