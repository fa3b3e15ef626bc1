// What the tests of groups share: members of one communicator in one process, a thread for each, groups opened by all.
#pragma once

#include <functional>
#include <thread>

#include "xccl/group.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::testing {

inline CommunicatorConfig group_config(const Folder& folder, uint32_t rank, uint64_t partition_bytes) {
  CommunicatorConfig config = config_of(folder, rank);
  config.exchange = {};
  config.app_bytes = 1 << 20;
  config.zc_bytes = 1 << 20;
  config.max_ranks = 16;
  config.group = {2, 0, partition_bytes};
  return config;
}

/// `num_ranks` members in this process, all linked with each other.
class GroupCluster {
 public:
  explicit GroupCluster(uint32_t num_ranks, uint64_t partition_bytes = 4096) {
    for (uint32_t rank = 0; rank < num_ranks; ++rank)
      members_.push_back(make_member(group_config(folder_, rank, partition_bytes)));
    for (uint32_t rank = 0; rank < num_ranks; ++rank) {
      for (uint32_t peer = 0; peer < num_ranks; ++peer) {
        if (peer != rank) CHECK(members_[rank]->expect_peer(peer_of(folder_, peer)).ok());
      }
    }
    for (uint32_t rank = 0; rank < num_ranks; ++rank) {
      for (uint32_t peer = 0; peer < num_ranks; ++peer) {
        if (peer != rank) CHECK(is_code(members_[rank]->wait_linked(peer, 1, deadline_in(10s)), Code::kOk));
      }
    }
  }

  const Folder& folder() const { return folder_; }
  uint32_t size() const { return static_cast<uint32_t>(members_.size()); }
  Communicator& operator[](uint32_t rank) { return *members_[rank]; }

  GroupSpec spec(uint32_t generation = 1, uint32_t id = 0) const {
    GroupSpec spec{id, generation, {}};
    for (uint32_t rank = 0; rank < size(); ++rank) spec.ranks.push_back(rank);
    return spec;
  }

  /// Null after a failed CHECK.
  std::shared_ptr<Group> open(uint32_t rank, uint32_t generation = 1, uint32_t id = 0) {
    std::shared_ptr<Group> group;
    CHECK(is_code(members_[rank]->open_group(spec(generation, id), &group), Code::kOk));
    return group;
  }

  /// Runs body(rank, group) in a thread a rank.
  void run(const std::function<void(uint32_t, Group&)>& body, uint32_t generation = 1, uint32_t id = 0) {
    std::vector<std::shared_ptr<Group>> groups;
    for (uint32_t rank = 0; rank < size(); ++rank) groups.push_back(open(rank, generation, id));
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < size(); ++rank) {
      if (groups[rank]) threads.emplace_back([&, rank] { body(rank, *groups[rank]); });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  Folder folder_;
  std::vector<Member> members_;
};

}  // namespace switchyard::xccl::testing
