// Memory of split latent attention (mla_split.h), one for all layers. It grows with the keys that a sequence's rows see, never with
// max_positions, and is kept. A key takes its latent in fp32 and as each product takes it, and a widened key and value for each head that is
// worked on at a time, which behind the first keys are as many as there are threads: in DeepSeek-V3's sizes 2 KB, 0.75 KB for block products
// and 1.25 KB a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "executor/blocks/shared_work.h"

namespace switchyard::executor {

/// Floats from a boundary of 64 bytes on; pages that nobody has written to take no memory.
class FloatRoom {
 public:
  /// Room for so many, with anything in them.
  void reserve(size_t count) {
    if (count <= size_) return;
    size_ = count + count / 2;
    data_ = std::make_unique_for_overwrite<float[]>(size_ + kLine);
  }
  float* data() { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(data_.get()) + 63) / 64 * 64); }

 private:
  static constexpr size_t kLine = 16;

  std::unique_ptr<float[]> data_;
  size_t size_ = 0;
};

struct SplitRoom {
  FloatRoom latents;  // [keys][kv_lora_rank]
  FloatRoom widened;  // [heads at a time][keys][key, value]
  InputStorage keys;  // latents as the products take them
  InputStorage values;
  std::vector<SharedProduct> products;  // [2 * heads at a time]
};

}  // namespace switchyard::executor
