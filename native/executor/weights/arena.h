// The arena: the weights of a model as the executor uses them, packed once into a file that every process of the model maps. A process
// touches the pages of what it runs, and the page cache holds them once for all (DeepFlow's preloading into DRAM).
// File: header; entries on boundaries of 64 bytes; index. Written beside its name, synced and renamed when whole, then never changed.
// Nothing read from it is believed before it is checked; a file cut short while it is mapped is beyond help (SIGBUS).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "executor/weights/stored_type.h"
#include "kernels/product/product.h"

namespace switchyard::executor {

/// Raised whenever the bytes of an arena change: part of its key.
inline constexpr uint32_t kArenaLayoutVersion = 3;

enum class ArenaForm : uint8_t { kRows, kPacked };  // row after row, or as PackedMatrix has it

/// `count` matrices [num_rows, num_columns] of one form and type, one after the other, each on a boundary of 64 bytes. INT8 is packed only; rows of
/// a block type are as GGUF has them.
struct ArenaShape {
  ArenaForm form = ArenaForm::kRows;
  PackedType type = PackedType::kF32;
  uint32_t count = 0;
  uint32_t num_rows = 0;
  uint32_t num_columns = 0;

  /// Of one matrix; 0 when the shape is empty or larger than 2^48 bytes.
  uint64_t matrix_bytes() const;
  /// Of a number, or block of them, of rows.
  StoredType stored_type() const;
  /// From the start of a matrix to the next.
  uint64_t stride() const;
  /// Of all; 0 as matrix_bytes().
  uint64_t num_bytes() const;
};

struct ArenaEntry {
  ArenaShape shape;
  std::shared_ptr<const std::byte> data;  // keeps the map

  std::shared_ptr<const std::byte> matrix(uint32_t idx) const { return {data, data.get() + idx * shape.stride()}; }
};

class Arena {
 public:
  /// IO when the file cannot be mapped; MISMATCH for another layout or key; CORRUPT when header or index are impossible.
  static Status open(const std::string& path, const std::string& key, std::shared_ptr<const Arena>* arena);

  /// CORRUPT when there is no entry of this name, form, count and size.
  Status find(const std::string& name, ArenaForm form, uint32_t count, int num_rows, int num_columns,
              ArenaEntry* entry) const;

  uint64_t num_bytes() const { return num_bytes_; }

 private:
  struct Place {
    ArenaShape shape;
    uint64_t offset;
  };

  Status read_index(uint64_t index_offset, uint64_t num_entries);

  std::string path_;
  std::shared_ptr<const std::byte> map_;
  uint64_t num_bytes_ = 0;
  std::unordered_map<std::string, Place> places_;
};

/// Writes one arena. Not for several threads.
class ArenaWriter {
 public:
  ArenaWriter() = default;
  /// Removes what was not finished.
  ~ArenaWriter();
  ArenaWriter(const ArenaWriter&) = delete;
  ArenaWriter& operator=(const ArenaWriter&) = delete;

  /// Makes PATH.tmp, over one that a writer left that died. One writer a path at a time: the caller holds its lock.
  Status open(const std::string& path);

  /// matrices: `shape.count` of matrix_bytes() each. INVALID_ARGUMENT for a name given before.
  Status add(const std::string& name, const ArenaShape& shape, const std::vector<const void*>& matrices);

  /// Index, header, sync, rename.
  Status finish(const std::string& key);

 private:
  Status write(const void* data, uint64_t num_bytes);
  Status pad();

  std::string path_;
  int fd_ = -1;
  uint64_t offset_ = 0;
  uint64_t num_entries_ = 0;
  std::string index_;
  std::unordered_set<std::string> names_;
};

}  // namespace switchyard::executor
