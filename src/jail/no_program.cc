#include "jail/no_program.h"

#include <unistd.h>

namespace wasmoor::jail {
namespace {

class NoProgram : public Program {
 public:
  Privileges privileges() const override { return Privileges::kNone; }
  bool executes() const override { return false; }
  Error Become(const std::function<Status()>& confine) override {
    if (const Status confined = confine(); !confined) return confined.error();
    _exit(0);
  }
};

}  // namespace

std::unique_ptr<Program> MakeNoProgram() { return std::make_unique<NoProgram>(); }

}  // namespace wasmoor::jail
