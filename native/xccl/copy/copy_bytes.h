// copy_bytes: one copy, by the path that its caller chooses. Called for large payloads by p2p; knows no memory but what it is given.
// Whoever stores a sequence number with release after a copy publishes its bytes too, on either path.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/isa.h"

namespace switchyard::xccl {

enum class CopyPath : uint8_t {
  kCached,  // plain_copy: what was written lies in the caches afterwards
  kStream   // around the caches: no line of the destination is read, and nothing useful is displaced
};

void copy_bytes(void* dst, const void* src, size_t num_bytes, CopyPath path);

/// The stream path of one instruction set; ends with a store fence. The scalar one is the plain copy: portable C++ has no such store.
using StreamCopy = void (*)(std::byte* dst, const std::byte* src, size_t num_bytes);
StreamCopy stream_copy_of(Isa isa);

}  // namespace switchyard::xccl
