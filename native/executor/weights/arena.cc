#include "executor/weights/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "executor/weights/block_units.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard::executor {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMost = uint64_t{1} << 48;
constexpr char kMagic[8] = {'S', 'W', 'Y', 'A', 'R', 'E', 'N', 'A'};
constexpr size_t kKeyBytes = 64;

struct Header {
  char magic[8];
  uint32_t layout_version;
  uint32_t reserved;
  uint64_t file_bytes;
  uint64_t index_offset;
  uint64_t num_entries;
  char key[kKeyBytes];
  char unused[24];
};
static_assert(sizeof(Header) == 128 && sizeof(Header) % kAlignment == 0);

/// Followed by the name.
struct Record {
  uint64_t offset;
  uint32_t count;
  uint32_t num_rows;
  uint32_t num_columns;
  uint8_t form;
  uint8_t type;
  uint16_t name_bytes;
};
static_assert(sizeof(Record) == 24);

bool is_known(const Record& record) {
  if (record.form > static_cast<uint8_t>(ArenaForm::kPacked)) return false;
  if (record.type != static_cast<uint8_t>(PackedType::kInt8))
    return record.type <= static_cast<uint8_t>(kLastPackedType);
  return record.form == static_cast<uint8_t>(ArenaForm::kPacked) && record.num_columns <= uint32_t{kInt8ColumnsMax};
}

uint64_t round_up(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

Status system_error(const char* call, const std::string& path) {
  return {Code::kIo, std::string(call) + " " + path + ": " + std::strerror(errno)};
}

std::string shape_text(ArenaForm form, uint32_t count, uint64_t num_rows, uint64_t num_columns) {
  return std::to_string(count) + (form == ArenaForm::kPacked ? " packed [" : " plain [") + std::to_string(num_rows) +
         ", " + std::to_string(num_columns) + "]";
}

/// The key with zeros behind it, as the header holds it.
std::string padded(std::string key) {
  key.resize(kKeyBytes);
  return key;
}

}  // namespace

uint64_t ArenaShape::matrix_bytes() const {
  if (count == 0 || num_rows == 0 || num_columns == 0) return 0;
  if (form == ArenaForm::kPacked) return packed_bytes(num_rows, num_columns, type);
  const StoredLayout layout = stored_layout(stored_type());
  if (num_columns % layout.block_elements != 0) return 0;
  const uint64_t row_bytes = num_columns / layout.block_elements * layout.block_bytes;
  return num_rows > kMost / row_bytes ? 0 : num_rows * row_bytes;
}

StoredType ArenaShape::stored_type() const {
  if (is_block_type(type)) return stored_block_type(type);
  return type == PackedType::kBf16 ? StoredType::kBf16 : StoredType::kF32;
}

uint64_t ArenaShape::stride() const { return round_up(matrix_bytes()); }

uint64_t ArenaShape::num_bytes() const {
  const uint64_t bytes = stride();
  return bytes == 0 || bytes > kMost / count ? 0 : bytes * count;
}

Status Arena::open(const std::string& path, const std::string& key, std::shared_ptr<const Arena>* out) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open", path);
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(Header))) {
    close(fd);
    return {Code::kCorrupt, "arena " + path + " is shorter than its header"};
  }
  const auto num_bytes = static_cast<uint64_t>(info.st_size);
  void* map = mmap(nullptr, num_bytes, PROT_READ, MAP_SHARED, fd, 0);
  const Status failed = map == MAP_FAILED ? system_error("mmap", path) : Status();
  close(fd);
  if (!failed.ok()) return failed;
  const auto arena = std::make_shared<Arena>();
  arena->path_ = path;
  arena->num_bytes_ = num_bytes;
  arena->map_ = std::shared_ptr<const std::byte>(
      static_cast<const std::byte*>(map),
      [num_bytes](const std::byte* data) { munmap(const_cast<std::byte*>(data), num_bytes); });
  Header header;
  std::memcpy(&header, map, sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return {Code::kCorrupt, path + " is no arena"};
  if (header.layout_version != kArenaLayoutVersion)
    return {Code::kMismatch, "arena " + path + " has layout " + std::to_string(header.layout_version)};
  if (std::string(header.key, kKeyBytes) != padded(key))
    return {Code::kMismatch, "arena " + path + " holds other weights"};
  if (header.file_bytes != num_bytes || header.index_offset < sizeof(Header) || header.index_offset > num_bytes)
    return {Code::kCorrupt, "arena " + path + " has not the size that its header gives (truncated?)"};
  SWITCHYARD_RETURN_IF_ERROR(arena->read_index(header.index_offset, header.num_entries));
  *out = arena;
  return {};
}

Status Arena::read_index(uint64_t index_offset, uint64_t num_entries) {
  const auto corrupt = [this](const std::string& what) {
    return Status{Code::kCorrupt, "arena " + path_ + ": " + what};
  };
  uint64_t at = index_offset;
  for (uint64_t i = 0; i < num_entries; ++i) {
    Record record;
    if (num_bytes_ - at < sizeof(record)) return corrupt("the index ends too soon");
    std::memcpy(&record, map_.get() + at, sizeof(record));
    at += sizeof(record);
    if (num_bytes_ - at < record.name_bytes) return corrupt("a name ends too late");
    std::string name(reinterpret_cast<const char*>(map_.get() + at), record.name_bytes);
    at += record.name_bytes;
    if (!is_known(record)) return corrupt(name + " has no known form");
    const ArenaShape shape = {static_cast<ArenaForm>(record.form), static_cast<PackedType>(record.type), record.count,
                              record.num_rows, record.num_columns};
    const uint64_t entry_bytes = shape.num_bytes();
    const bool is_inside = entry_bytes != 0 && record.offset >= sizeof(Header) && record.offset % kAlignment == 0 &&
                           record.offset <= index_offset && entry_bytes <= index_offset - record.offset;
    if (!is_inside) return corrupt(name + " does not lie in the file");
    if (!places_.emplace(std::move(name), Place{shape, record.offset}).second) return corrupt("a name stands twice");
  }
  return at == num_bytes_ ? Status() : corrupt("bytes follow the index");
}

Status Arena::find(const std::string& name, ArenaForm form, uint32_t count, int num_rows, int num_columns,
                   ArenaEntry* entry) const {
  const auto found = places_.find(name);
  if (found == places_.end()) return {Code::kCorrupt, "arena " + path_ + " has no " + name};
  const auto& [shape, offset] = found->second;
  if (shape.form != form || shape.count != count || shape.num_rows != static_cast<uint32_t>(num_rows) ||
      shape.num_columns != static_cast<uint32_t>(num_columns)) {
    return {Code::kCorrupt, "arena " + path_ + ": " + name + " is " +
                                shape_text(shape.form, shape.count, shape.num_rows, shape.num_columns) + ", not " +
                                shape_text(form, count, num_rows, num_columns)};
  }
  *entry = {shape, {map_, map_.get() + offset}};
  return {};
}

ArenaWriter::~ArenaWriter() {
  if (fd_ < 0) return;
  close(fd_);
  unlink((path_ + ".tmp").c_str());
}

Status ArenaWriter::open(const std::string& path) {
  path_ = path;
  fd_ = ::open((path + ".tmp").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) return system_error("open", path + ".tmp");
  const Header placeholder = {};
  return write(&placeholder, sizeof(placeholder));
}

Status ArenaWriter::add(const std::string& name, const ArenaShape& shape, const std::vector<const void*>& matrices) {
  if (shape.num_bytes() == 0 || matrices.size() != shape.count || name.size() > UINT16_MAX)
    return {Code::kInvalidArgument, name + " has a shape that no arena holds"};
  if (!names_.insert(name).second) return {Code::kInvalidArgument, name + " was packed before"};
  const Record record = {offset_,
                         shape.count,
                         shape.num_rows,
                         shape.num_columns,
                         static_cast<uint8_t>(shape.form),
                         static_cast<uint8_t>(shape.type),
                         static_cast<uint16_t>(name.size())};
  index_.append(reinterpret_cast<const char*>(&record), sizeof(record));
  index_.append(name);
  ++num_entries_;
  for (const void* matrix : matrices) {
    SWITCHYARD_RETURN_IF_ERROR(write(matrix, shape.matrix_bytes()));
    SWITCHYARD_RETURN_IF_ERROR(pad());
  }
  return {};
}

Status ArenaWriter::finish(const std::string& key) {
  if (key.size() > kKeyBytes) return {Code::kInvalidArgument, "the key of an arena has 64 bytes at most"};
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.layout_version = kArenaLayoutVersion;
  header.index_offset = offset_;
  header.num_entries = num_entries_;
  header.file_bytes = offset_ + index_.size();
  std::memcpy(header.key, padded(key).data(), kKeyBytes);
  SWITCHYARD_RETURN_IF_ERROR(write(index_.data(), index_.size()));
  const std::string unfinished = path_ + ".tmp";
  if (pwrite(fd_, &header, sizeof(header), 0) != sizeof(header)) return system_error("write", unfinished);
  if (fchmod(fd_, 0444) != 0) return system_error("chmod", unfinished);
  if (fsync(fd_) != 0) return system_error("fsync", unfinished);
  if (rename(unfinished.c_str(), path_.c_str()) != 0) return system_error("rename", unfinished);
  close(std::exchange(fd_, -1));
  return {};
}

Status ArenaWriter::write(const void* data, uint64_t num_bytes) {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 30;
  const auto* from = static_cast<const std::byte*>(data);
  while (num_bytes > 0) {
    const ssize_t written = ::write(fd_, from, std::min(num_bytes, kPieceBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("write", path_ + ".tmp");
    from += written;
    num_bytes -= static_cast<uint64_t>(written);
    offset_ += static_cast<uint64_t>(written);
  }
  return {};
}

Status ArenaWriter::pad() {
  static constexpr std::byte kZeros[kAlignment] = {};
  return write(kZeros, round_up(offset_) - offset_);
}

}  // namespace switchyard::executor
