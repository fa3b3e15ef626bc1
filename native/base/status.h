// Status: what every native call that can fail returns. Only addon/ turns it into a JavaScript error.
// The codes are the project's one error table (docs/errors.md): add a row there, in libs/native and here together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace switchyard {

enum class Code : uint8_t {
  kOk = 0,
  kInvalidArgument,    // the caller's fault; nothing was done
  kPeerDead,           // the other rank's process ended or stands still
  kTimeout,            // the deadline passed and the peer is not known to be dead
  kMismatch,           // event id, numeric class, layout or nonce differ from what was agreed
  kStale,              // a generation or an epoch is older than the live one
  kCorrupt,            // a value read from shared memory, a file or the wire is impossible
  kClosed,             // the object was closed
  kResourceExhausted,  // a ring, pool or queue is full
  kIo,                 // a system call failed; the text names it and errno
  kUnsupported,        // this model, option or machine cannot do it
  kInternal,           // a broken invariant of our own
};

/// One null pointer when all is well, so that calls of a hundred nanoseconds can return one at every level.
class [[nodiscard]] Status {
 public:
  Status() = default;
  /// kOk takes no message.
  Status(Code code, std::string message) {
    if (code != Code::kOk) fault_ = std::make_unique<Fault>(code, std::move(message));
  }
  Status(Status&&) = default;
  Status(const Status& other) : fault_(other.fault_ ? std::make_unique<Fault>(*other.fault_) : nullptr) {}
  Status& operator=(Status&&) = default;
  Status& operator=(const Status& other) { return *this = Status(other); }

  bool ok() const { return fault_ == nullptr; }
  Code code() const { return fault_ ? fault_->code : Code::kOk; }
  std::string message() const { return fault_ ? fault_->message : std::string(); }

 private:
  struct Fault {
    Fault(Code code, std::string message) : code(code), message(std::move(message)) {}
    Code code;
    std::string message;
  };
  std::unique_ptr<Fault> fault_;
};

}  // namespace switchyard

#define SWITCHYARD_RETURN_IF_ERROR(expr)   \
  do {                                     \
    ::switchyard::Status status_ = (expr); \
    if (!status_.ok()) [[unlikely]]        \
      return status_;                      \
  } while (false)
