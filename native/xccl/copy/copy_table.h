// CopyTable: from which size on the stream path is quicker on this machine, measured once a process at the first copy that could gain.
// Where that lies depends on the caches and on who shares them, which a program cannot look up on a virtual machine.
#pragma once

#include <string_view>

#include "base/status.h"
#include "xccl/copy/copy_bytes.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// Below this the caches win between two ranks (1.125 MiB on an AMD Zen 3: 33 us, streamed 57), though one core alone may find
/// streaming quicker: nothing is measured for smaller copies.
inline constexpr uint64_t kStreamBytesMin = 2 << 20;

struct CopyTable {
  uint64_t stream_min = UINT64_MAX;  // bytes of a whole payload

  CopyPath path_of(uint64_t num_bytes) const { return num_bytes >= stream_min ? CopyPath::kStream : CopyPath::kCached; }
  /// This process's table; the first call takes some 30 ms.
  static const CopyTable& measured();
};

/// The path for a payload of this size; kAuto looks into the table.
CopyPath copy_path_of(CopyMode mode, uint64_t num_bytes);

/// Finds a mode by its name (auto, cached, stream): SWITCHYARD_XCCL_COPY forces one. InvalidArgument lists the names.
Status copy_mode_from_name(std::string_view name, CopyMode* out);

}  // namespace switchyard::xccl
