#include "executor/loop/kv_puller.h"

namespace switchyard::executor {

Status KvPuller::advance(Sequence* sequence, int64_t* budget) {
  const KvSource& source = *sequence->spec.source;
  if (!reader_) return {Code::kUnsupported, "this rank has no communicator to pull KV with"};
  SWITCHYARD_RETURN_IF_ERROR(check_layout(source));
  const int num_blocks = static_cast<int>(source.blocks.size());
  while (sequence->num_pulled_blocks<num_blocks&& * budget> 0) {
    const int i = sequence->num_pulled_blocks;
    const uint64_t offset = source.region_offset + static_cast<uint64_t>(source.blocks[i]) * source.block_bytes;
    SWITCHYARD_RETURN_IF_ERROR(
        reader_->read(source.rank, source.epoch, offset, pool_->block(sequence->spec.blocks[i])));
    *budget -= static_cast<int64_t>(pool_->block_bytes());
    ++sequence->num_pulled_blocks;
  }
  if (sequence->num_pulled_blocks < num_blocks) return {};
  SWITCHYARD_RETURN_IF_ERROR(check_generations(source));
  sequence->spec.source.reset();
  return {};
}

Status KvPuller::check_layout(const KvSource& source) const {
  if (source.layout_version == kKvLayoutVersion && source.block_bytes == pool_->block_bytes()) return {};
  return {Code::kMismatch, "KV layout " + std::to_string(source.layout_version) + " with blocks of " +
                               std::to_string(source.block_bytes) + " bytes; this rank has layout " +
                               std::to_string(kKvLayoutVersion) + " with " + std::to_string(pool_->block_bytes())};
}

Status KvPuller::check_generations(const KvSource& source) const {
  for (size_t i = 0; i < source.blocks.size(); ++i) {
    uint64_t generation = 0;
    const uint64_t offset = source.generation_offset + static_cast<uint64_t>(source.blocks[i]) * sizeof(uint64_t);
    SWITCHYARD_RETURN_IF_ERROR(
        reader_->read(source.rank, source.epoch, offset, std::as_writable_bytes(std::span(&generation, 1))));
    if (generation != source.generations[i]) {
      return {Code::kStale, "KV block " + std::to_string(source.blocks[i]) + " of rank " + std::to_string(source.rank) +
                                " was reused: generation " + std::to_string(generation) + ", claimed " +
                                std::to_string(source.generations[i])};
    }
  }
  return {};
}

}  // namespace switchyard::executor
