// Status: what every native call that can fail returns. Only addon/ turns it into a JavaScript error.
// The codes are the project's one error table (docs/errors.md): add a row there, in libs/native and here together.
#pragma once

#include <cstdint>
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

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

}  // namespace switchyard

#define SWITCHYARD_RETURN_IF_ERROR(expr)   \
  do {                                     \
    ::switchyard::Status status_ = (expr); \
    if (!status_.ok()) return status_;     \
  } while (false)
