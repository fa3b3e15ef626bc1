// What the tests of collectives share: ranks linked without a broker, over one mapping of their memory, so that ThreadSanitizer
// sees what they do to each other, and with or without the optional `map`; and random scripts of calls with their results.
#pragma once

#include <cmath>
#include <cstring>

#include "xccl/group/group_impl.h"
#include "xccl/group/group_support.h"
#include "xccl/group/reduce.h"

namespace switchyard::xccl::testing {

/// Passes everything on but `map`.
class UnmappedFabric final : public Fabric {
 public:
  explicit UnmappedFabric(std::unique_ptr<Fabric> inner) : inner_(std::move(inner)) {}
  const char* name() const override { return "unmapped"; }
  Status put(Area area, uint64_t offset, std::span<const std::byte> src) override {
    return inner_->put(area, offset, src);
  }
  Status get(Area area, uint64_t offset, std::span<std::byte> dst) override { return inner_->get(area, offset, dst); }
  Status put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) override {
    return inner_->put_with_signal(offset, src, signal);
  }
  Status fence() override { return inner_->fence(); }

 private:
  std::unique_ptr<Fabric> inner_;
};

/// Ranks of one process, each linked with each.
class BareRanks {
 public:
  BareRanks(uint32_t num_ranks, bool can_map, uint64_t partition_bytes) {
    for (uint32_t rank = 0; rank < num_ranks; ++rank) {
      ranks_.emplace_back();
      CHECK(LocalRank::create(group_config(folder_, rank, partition_bytes), &ranks_[rank]).ok());
      ranks_[rank]->explain_unlinked = [](uint32_t) { return Status(Code::kPeerDead, "unlinked"); };
      ranks_[rank]->report_corrupt = [](uint32_t, uint64_t, const std::string&) {};
      ranks_[rank]->set_crowded(true);
    }
    for (uint32_t rank = 0; rank < num_ranks; ++rank) {
      for (uint32_t peer = 0; peer < num_ranks; ++peer) {
        if (peer != rank) link(*ranks_[rank], peer, can_map);
      }
    }
    for (uint32_t rank = 0; rank < num_ranks; ++rank) groups_.push_back(open(rank));
  }

  uint32_t size() const { return static_cast<uint32_t>(ranks_.size()); }
  std::span<std::byte> app(uint32_t rank) { return ranks_[rank]->app().span(); }
  Group& group(uint32_t rank) { return *groups_[rank]; }

  /// Runs body(rank) in a thread a rank.
  template <class Body>
  void run(Body&& body) {
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < size(); ++rank) threads.emplace_back([&body, rank] { body(rank); });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  void link(LocalRank& rank, uint32_t peer, bool can_map) {
    LocalRank& other = *ranks_[peer];
    std::unique_ptr<Fabric> fabric;
    CHECK(fabric_create("shm", {other.ctrl().span(), other.app().span(), other.zc().span()}, &fabric).ok());
    if (!can_map) fabric = std::make_unique<UnmappedFabric>(std::move(fabric));
    rank.peers().publish(peer, {fabric.get(), 1, other.app().size(), other.layout()});
    fabrics_.push_back(std::move(fabric));
  }
  std::unique_ptr<Group> open(uint32_t rank) {
    GroupSpec spec{0, 1, {}};
    for (uint32_t member = 0; member < size(); ++member) spec.ranks.push_back(member);
    std::unique_ptr<Rounds> rounds;
    CHECK(is_code(Rounds::open(*ranks_[rank], generations_[rank], spec, &rounds), Code::kOk));
    return std::make_unique<GroupImpl>(nullptr, std::move(rounds));
  }

  Folder folder_;
  std::vector<std::unique_ptr<LocalRank>> ranks_;
  std::vector<std::unique_ptr<Fabric>> fabrics_;
  std::array<GroupGenerations, kNumRanksMax> generations_;
  std::vector<std::unique_ptr<Group>> groups_;
};

using Bytes = std::vector<std::byte>;

/// One call of all ranks, what each gives and what each must get.
struct ScriptCall {
  Operation operation = Operation::kBarrier;
  bool is_variable = false;
  ElementType type = ElementType::kFloat32;
  uint32_t root = 0;
  std::vector<Bytes> in;        // [rank]
  std::vector<Bytes> expected;  // [rank]; of a variable gather all parts one after the other
};

class Script {
 public:
  /// `num_bytes_max` is the most that one rank gives in one call.
  Script(Random& random, uint32_t num_ranks, uint32_t num_calls, uint32_t num_bytes_max) : num_ranks_(num_ranks) {
    for (uint32_t i = 0; i < num_calls; ++i) calls_.push_back(make_call(random, num_bytes_max));
  }

  /// Makes all calls as one rank, from private memory or, by chance, straight from `app`. False after the first wrong result.
  bool run(Group& group, std::span<std::byte> app, uint64_t seed) const {
    Random random(seed + group.member_idx());
    for (uint32_t i = 0; i < calls_.size(); ++i) {
      // Two places in turn: a zero-copy source may be changed when the next call has returned.
      const std::span<std::byte> place = app.subspan(i % 2 * (app.size() / 2), app.size() / 2);
      if (run_call(calls_[i], i, group, place, random)) continue;
      std::printf("seed %llu: call %u (%s, %u ranks, %zu bytes) failed at rank %u\n",
                  static_cast<unsigned long long>(seed), i, operation_name(static_cast<uint16_t>(calls_[i].operation)),
                  num_ranks_, calls_[i].in[group.member_idx()].size(), group.member_idx());
      return false;
    }
    return true;
  }

 private:
  ScriptCall make_call(Random& random, uint32_t num_bytes_max) const {
    constexpr Operation kKinds[] = {Operation::kBarrier, Operation::kBroadcast, Operation::kAllGather,
                                    Operation::kReduceScatter, Operation::kAllReduce};
    ScriptCall call;
    call.operation = kKinds[random.below(5)];
    call.is_variable = call.operation == Operation::kAllGather && random.below(2) == 0;
    call.type = random.below(2) == 0 ? ElementType::kFloat32 : ElementType::kInt32;
    call.root = random.below(num_ranks_);
    const uint32_t num_bytes = random_size(random, num_bytes_max);
    for (uint32_t rank = 0; rank < num_ranks_; ++rank) {
      const uint32_t size = call.is_variable ? random_size(random, num_bytes_max) : num_bytes;
      call.in.push_back(random_elements(random, call.operation == Operation::kBarrier ? 0 : size, call.type));
    }
    for (uint32_t rank = 0; rank < num_ranks_; ++rank) call.expected.push_back(expected_of(call, rank));
    return call;
  }

  /// Whole elements; half of them few.
  static uint32_t random_size(Random& random, uint32_t num_bytes_max) {
    const uint32_t limit = random.below(2) == 0 ? 100 : num_bytes_max;
    return random.below(limit + 1) / 4 * 4;
  }

  static Bytes random_elements(Random& random, uint32_t num_bytes, ElementType type) {
    Bytes bytes(num_bytes);
    for (uint32_t at = 0; at < num_bytes; at += 4) {
      const auto bits = static_cast<uint32_t>(random.next());
      // Finite, of very different magnitudes, so that another order of additions shows.
      const float value = std::ldexp(static_cast<float>(bits % 20'000) - 10'000, static_cast<int>(bits >> 27));
      std::memcpy(bytes.data() + at, type == ElementType::kFloat32 ? static_cast<const void*>(&value) : &bits, 4);
    }
    return bytes;
  }

  template <class Element>
  Bytes sum_of(const ScriptCall& call) const {
    std::vector<const Element*> sources;
    for (const Bytes& bytes : call.in) sources.push_back(reinterpret_cast<const Element*>(bytes.data()));
    Bytes sum(call.in[0].size());
    const ReduceKernels& kernels = reduce_kernels_of(Isa::kScalar);
    const size_t num_elements = sum.size() / sizeof(Element);
    if constexpr (std::is_same_v<Element, float>) {
      kernels.f32(sources.data(), num_ranks_, num_elements, reinterpret_cast<float*>(sum.data()));
    } else {
      kernels.i32(sources.data(), num_ranks_, num_elements, reinterpret_cast<int32_t*>(sum.data()));
    }
    return sum;
  }

  uint64_t scatter_first(uint64_t num_elements, uint32_t rank) const {
    return rank * (num_elements / num_ranks_) + std::min<uint64_t>(rank, num_elements % num_ranks_);
  }

  Bytes expected_of(const ScriptCall& call, uint32_t rank) const {
    if (call.operation == Operation::kBarrier) return {};
    if (call.operation == Operation::kBroadcast) return call.in[call.root];
    Bytes result;
    if (call.operation == Operation::kAllGather) {
      for (const Bytes& bytes : call.in) result.insert(result.end(), bytes.begin(), bytes.end());
      return result;
    }
    result = call.type == ElementType::kFloat32 ? sum_of<float>(call) : sum_of<int32_t>(call);
    if (call.operation == Operation::kAllReduce) return result;
    const uint64_t num_elements = result.size() / 4;
    const auto begin = result.begin() + static_cast<ptrdiff_t>(4 * scatter_first(num_elements, rank));
    const auto end = result.begin() + static_cast<ptrdiff_t>(4 * scatter_first(num_elements, rank + 1));
    return {begin, end};
  }

  bool run_call(const ScriptCall& call, uint32_t event, Group& group, std::span<std::byte> place,
                Random& random) const {
    const uint32_t rank = group.member_idx();
    const bool is_zero_copy = random.below(3) == 0 && call.in[rank].size() <= place.size();
    const bool is_in_place = random.below(2) == 0;
    Bytes own = call.in[rank];
    if (is_zero_copy) std::copy(own.begin(), own.end(), place.begin());
    const std::span<std::byte> in = is_zero_copy ? place.first(own.size()) : std::span(own);
    Bytes out(call.expected[rank].size());
    const Deadline deadline = deadline_in(20s);
    Status status;
    std::span<std::byte> got = out;
    switch (call.operation) {
      case Operation::kBroadcast:
        if (rank != call.root) std::fill(in.begin(), in.end(), std::byte{0});
        status = group.broadcast({event, call.root, in, is_zero_copy}, deadline);
        got = in;
        break;
      case Operation::kAllGather:
        status = call.is_variable ? gather_variable(call, event, group, in, is_zero_copy, out)
                                  : group.all_gather({event, in, out, is_zero_copy}, deadline);
        break;
      case Operation::kReduceScatter:
        if (is_in_place) got = in.subspan(4 * scatter_first(in.size() / 4, rank), out.size());
        status = group.reduce_scatter({event, call.type, in, got, is_zero_copy}, deadline);
        break;
      case Operation::kAllReduce:
        if (is_in_place) got = in;
        status = group.all_reduce({event, call.type, in, got, is_zero_copy}, deadline);
        break;
      default:
        status = group.barrier(event, deadline);
    }
    return is_code(status, Code::kOk) && std::equal(got.begin(), got.end(), call.expected[rank].begin());
  }

  Status gather_variable(const ScriptCall& call, uint32_t event, Group& group, std::span<const std::byte> in,
                         bool is_zero_copy, std::span<std::byte> out) const {
    std::vector<RecvPart> parts(num_ranks_);
    uint64_t at = 0;
    for (uint32_t rank = 0; rank < num_ranks_; ++rank) {
      parts[rank].into = out.subspan(at, call.in[rank].size());
      at += call.in[rank].size();
    }
    const Status status = group.all_gather_variable({event, in, parts, is_zero_copy}, deadline_in(20s));
    for (uint32_t rank = 0; rank < num_ranks_; ++rank) {
      if (status.ok() && parts[rank].num_bytes != call.in[rank].size())
        return {Code::kInternal, "a part's num_bytes is wrong"};
    }
    return status;
  }

  uint32_t num_ranks_;
  std::vector<ScriptCall> calls_;
};

}  // namespace switchyard::xccl::testing
