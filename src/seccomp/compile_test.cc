#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "seccomp/child_test.h"
#include "seccomp/decision.h"
#include "seccomp/filter_for_test.h"

namespace wasmoor::seccomp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

oci::Seccomp AllowAllBut(oci::SeccompRule rule) {
  return {.default_action = "SCMP_ACT_ALLOW", .syscalls = {std::move(rule)}};
}

// A call without arguments, in which the kernel ignores all that a filter can look at.
int ErrnoOfCall(uint64_t first = 0, uint64_t second = 0) {
  return ::syscall(SYS_getppid, first, second) < 0 ? errno : 0;
}

std::string Answer(const oci::Seccomp& profile) {
  return Below(Must(Compile(profile)), [] { return ErrnoOfCall(); });
}

std::string AnswerTo(const oci::SeccompArg& condition, uint64_t first) {
  const Program program = Must(Compile(AllowAllBut(
      {.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 7, .args = {condition}})));
  return Below(program, [first] { return ErrnoOfCall(first); });
}

Error ErrorOf(const oci::Seccomp& profile) {
  const Result<Program> compiled = Compile(profile);
  return compiled ? Error(Code::kOk, "no error") : compiled.error();
}

TEST(CompileTest, ACallWithAnErrnoIsAnsweredByItAndAllOthersWork) {
  const Program program = Must(
      Compile(AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 71})));
  EXPECT_EQ(Below(program, [] { return ErrnoOfCall(); }), "exit 71");
  EXPECT_EQ(Below(program, [] { return ::getpgid(0) > 0 ? 0 : 1; }), "exit 0");
}

TEST(CompileTest, AnErrnoThatIsNotNamedIsEperm) {
  EXPECT_EQ(Answer(AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_ERRNO"})),
            "exit " + std::to_string(EPERM));
}

TEST(CompileTest, EachActionDoesWhatItsNameSays) {
  const auto answer = [](const char* action) {
    return Answer(AllowAllBut({.names = {"getppid"}, .action = action}));
  };
  const std::string killed = "signal " + std::to_string(SIGSYS);
  EXPECT_EQ(answer("SCMP_ACT_KILL_PROCESS"), killed);
  EXPECT_EQ(answer("SCMP_ACT_KILL_THREAD"), killed);
  EXPECT_EQ(answer("SCMP_ACT_KILL"), killed);
  EXPECT_EQ(answer("SCMP_ACT_TRAP"), killed);
  EXPECT_EQ(answer("SCMP_ACT_LOG"), "exit 0");
  // Nobody traces: seccomp(2) has ENOSYS for that.
  EXPECT_EQ(answer("SCMP_ACT_TRACE"), "exit " + std::to_string(ENOSYS));
}

TEST(CompileTest, ATrapIsASignalThatTheProcessMayCatch) {
  const Program program =
      Must(Compile(AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_TRAP"})));
  EXPECT_EQ(Below(program,
                  [] {
                    ::signal(SIGSYS, [](int) { ::_exit(9); });
                    return ErrnoOfCall();
                  }),
            "exit 9");
}

TEST(CompileTest, AListOfWhatIsAllowedStopsEverythingElse) {
  const oci::Seccomp profile = {
      .default_action = "SCMP_ACT_ERRNO",
      .default_errno_ret = 38,
      .architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"},
      .syscalls = {{.names = {"exit_group", "getppid"}, .action = "SCMP_ACT_ALLOW"}}};
  EXPECT_EQ(Answer(profile), "exit 0");
  EXPECT_EQ(Below(Must(Compile(profile)), [] { return ::getpgid(0) < 0 ? errno : 0; }), "exit 38");
}

TEST(CompileTest, ConditionsCompareAllBitsOfAnArgument) {
  constexpr uint64_t kLarge = 0x1'0000'0005;
  const auto stopped = [](const char* op, uint64_t value, uint64_t first) {
    return AnswerTo({.index = 0, .value = value, .op = op}, first) == "exit 7";
  };
  EXPECT_TRUE(stopped("SCMP_CMP_EQ", kLarge, kLarge));
  EXPECT_FALSE(stopped("SCMP_CMP_EQ", kLarge, 5));
  EXPECT_TRUE(stopped("SCMP_CMP_NE", kLarge, 5));
  EXPECT_FALSE(stopped("SCMP_CMP_NE", kLarge, kLarge));
  EXPECT_TRUE(stopped("SCMP_CMP_GT", 4, kLarge));
  EXPECT_FALSE(stopped("SCMP_CMP_GT", kLarge, kLarge));
  EXPECT_TRUE(stopped("SCMP_CMP_GE", kLarge, kLarge));
  EXPECT_FALSE(stopped("SCMP_CMP_GE", kLarge, kLarge - 1));
  EXPECT_TRUE(stopped("SCMP_CMP_LT", kLarge, 6));
  EXPECT_FALSE(stopped("SCMP_CMP_LT", 6, kLarge));
  EXPECT_TRUE(stopped("SCMP_CMP_LE", 6, 6));
  EXPECT_FALSE(stopped("SCMP_CMP_LE", 6, 7));
}

TEST(CompileTest, AMaskedConditionHasTheMaskFirstAndTheBitsSecond) {
  const oci::SeccompArg condition = {
      .index = 0, .value = 0xff0, .value_two = 0x120, .op = "SCMP_CMP_MASKED_EQ"};
  EXPECT_EQ(AnswerTo(condition, 0xabc12f), "exit 7");
  EXPECT_EQ(AnswerTo(condition, 0xabc13f), "exit 0");
}

TEST(CompileTest, ConditionsOnDifferentArgumentsMustAllHoldAndOnOneArgumentAnyOfThem) {
  const oci::SeccompArg first_is_1 = {.index = 0, .value = 1, .op = "SCMP_CMP_EQ"};
  const oci::SeccompArg first_is_2 = {.index = 0, .value = 2, .op = "SCMP_CMP_EQ"};
  const oci::SeccompArg second_is_2 = {.index = 1, .value = 2, .op = "SCMP_CMP_EQ"};
  const auto profile = [](std::vector<oci::SeccompArg> args) {
    return Must(Compile(AllowAllBut({.names = {"getppid"},
                                     .action = "SCMP_ACT_ERRNO",
                                     .errno_ret = 7,
                                     .args = std::move(args)})));
  };
  const Program both = profile({first_is_1, second_is_2});
  EXPECT_EQ(Below(both, [] { return ErrnoOfCall(1, 2); }), "exit 7");
  EXPECT_EQ(Below(both, [] { return ErrnoOfCall(1, 3); }), "exit 0");
  const Program either = profile({first_is_1, first_is_2});
  EXPECT_EQ(Below(either, [] { return ErrnoOfCall(1); }), "exit 7");
  EXPECT_EQ(Below(either, [] { return ErrnoOfCall(2); }), "exit 7");
  EXPECT_EQ(Below(either, [] { return ErrnoOfCall(3); }), "exit 0");
}

TEST(CompileTest, CallsThatNobodyKnowsAreLeftOut) {
  EXPECT_EQ(
      Answer(AllowAllBut(
          {.names = {"of_a_later_kernel", "getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 5})),
      "exit 5");
}

// A list of what is allowed that somebody wrote when getcpu was new: all else gets EPERM.
oci::Seccomp ListOfOldTimes() {
  return {.default_action = "SCMP_ACT_ERRNO",
          .architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"},
          .syscalls = {{.names = {"exit_group", "getppid"}, .action = "SCMP_ACT_ALLOW"},
                       {.names = {"getcpu"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 13}}};
}

int ErrnoOf(long number) { return ::syscall(number, -1, 0, 0, 0) < 0 ? errno : 0; }

TEST(CompileTest, CallsNewerThanAllThatTheProfileNamesAreNotThereInsteadOfForbidden) {
  const Program program = Must(Compile(ListOfOldTimes()));
  const auto answer = [&](long number) {
    return Below(program, [number] { return ErrnoOf(number); });
  };
  const std::string not_there = "exit " + std::to_string(ENOSYS);
  EXPECT_EQ(answer(SYS_getcpu), "exit 13");
  EXPECT_EQ(answer(SYS_getcpu - 1), "exit " + std::to_string(EPERM)) << "known, and not named";
  EXPECT_EQ(answer(SYS_getcpu + 1), not_there);
  EXPECT_EQ(answer(SYS_openat2), not_there);
  EXPECT_EQ(answer(100'000), not_there);
}

TEST(CompileTest, ADefaultThatIsNoErrnoIsForNewCallsToo) {
  oci::Seccomp profile = ListOfOldTimes();
  profile.default_action = "SCMP_ACT_KILL_PROCESS";
  EXPECT_EQ(Below(Must(Compile(profile)), [] { return ErrnoOf(SYS_openat2); }),
            "signal " + std::to_string(SIGSYS));
  profile.default_action = "SCMP_ACT_LOG";
  EXPECT_EQ(Below(Must(Compile(profile)), [] { return ErrnoOf(SYS_openat2); }),
            "exit " + std::to_string(EINVAL))
      << "the kernel's own answer to a size of 0";
}

#if defined(__x86_64__)
// Calls of the other architectures of this processor, asked of the filter: a kernel may lack them.
TEST(CompileTest, EachArchitectureHasNewCallsOfItsOwn) {
  constexpr uint32_t kX32Bit = 0x40000000;
  constexpr int kGetcpuOf32Bits = 318;
  const uint32_t not_there = SECCOMP_RET_ERRNO | ENOSYS;
  const Program program = Must(Compile(ListOfOldTimes()));
  const auto answer = [&](uint32_t architecture, uint32_t number) {
    return AnswerOf(program.instructions,
                    {.nr = static_cast<int>(number), .arch = architecture, .args = {}});
  };
  EXPECT_EQ(answer(AUDIT_ARCH_I386, kGetcpuOf32Bits), uint32_t{SECCOMP_RET_ERRNO | 13});
  EXPECT_EQ(answer(AUDIT_ARCH_I386, kGetcpuOf32Bits - 1), uint32_t{SECCOMP_RET_ERRNO | EPERM});
  EXPECT_EQ(answer(AUDIT_ARCH_I386, kGetcpuOf32Bits + 1), not_there);
  EXPECT_EQ(answer(AUDIT_ARCH_X86_64, kX32Bit + SYS_getppid), uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer(AUDIT_ARCH_X86_64, kX32Bit + SYS_getcpu - 1),
            uint32_t{SECCOMP_RET_ERRNO | EPERM});
  EXPECT_EQ(answer(AUDIT_ARCH_X86_64, kX32Bit + SYS_getcpu + 1), not_there);
  EXPECT_EQ(answer(AUDIT_ARCH_AARCH64, SYS_getppid), uint32_t{SECCOMP_RET_KILL});

  oci::Seccomp native_only = ListOfOldTimes();
  native_only.architectures = {"SCMP_ARCH_AARCH64"};  // That this machine's own is in it is sure.
  const Program one = Must(Compile(native_only));
  EXPECT_EQ(AnswerOf(one.instructions, {.nr = SYS_getcpu + 1, .arch = AUDIT_ARCH_X86_64}),
            not_there);
  EXPECT_EQ(AnswerOf(one.instructions,
                     {.nr = static_cast<int>(kX32Bit + SYS_getcpu + 1), .arch = AUDIT_ARCH_X86_64}),
            uint32_t{SECCOMP_RET_KILL});
  EXPECT_EQ(AnswerOf(one.instructions, {.nr = kGetcpuOf32Bits, .arch = AUDIT_ARCH_I386}),
            uint32_t{SECCOMP_RET_KILL});
}
#endif

TEST(CompileTest, ARuleThatStandsThereTwiceOrSaysTheDefaultIsNoError) {
  oci::Seccomp profile =
      AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 5});
  profile.syscalls.push_back(profile.syscalls.front());
  profile.syscalls.push_back({.names = {"getpid"}, .action = "SCMP_ACT_ALLOW"});
  EXPECT_EQ(Answer(profile), "exit 5");
}

TEST(CompileTest, FlagsReachTheKernel) {
  oci::Seccomp profile =
      AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 5});
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                   "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  EXPECT_EQ(Must(Compile(profile)).flags,
            SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC)
      << "the last one is for listeners only";
  EXPECT_EQ(Answer(profile), "exit 5");
}

TEST(CompileTest, ErrorsNameTheField) {
  const auto rules = [](oci::SeccompRule last) {
    oci::Seccomp profile = AllowAllBut({.names = {"getpid"}, .action = "SCMP_ACT_LOG"});
    profile.syscalls.push_back(std::move(last));
    return ErrorOf(profile);
  };
  EXPECT_THAT(ErrorOf({.default_action = "ALLOW"}).message(),
              StartsWith("linux.seccomp.defaultAction: 'ALLOW'"));
  EXPECT_THAT(ErrorOf({.default_action = "SCMP_ACT_ALLOW", .default_errno_ret = 1}).message(),
              StartsWith("linux.seccomp.defaultErrnoRet: "));
  EXPECT_THAT(
      ErrorOf({.default_action = "SCMP_ACT_ALLOW", .architectures = {"SCMP_ARCH_VAX"}}).message(),
      StartsWith("linux.seccomp.architectures[0]: 'SCMP_ARCH_VAX'"));
  EXPECT_THAT(ErrorOf({.default_action = "SCMP_ACT_ALLOW", .flags = {"SECCOMP_X"}}).message(),
              StartsWith("linux.seccomp.flags[0]: 'SECCOMP_X'"));
  EXPECT_THAT(rules({.names = {"read"}, .action = "SCMP_ACT_MAYBE"}).message(),
              StartsWith("linux.seccomp.syscalls[1].action: 'SCMP_ACT_MAYBE'"));
  EXPECT_THAT(rules({.names = {"read"}, .action = "SCMP_ACT_KILL", .errno_ret = 1}).message(),
              StartsWith("linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_KILL returns no errno"));
  EXPECT_THAT(rules({.names = {"read"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 4096}).message(),
              StartsWith("linux.seccomp.syscalls[1].errnoRet: 4096 is no errno"));
  EXPECT_THAT(
      rules({.names = {"read"}, .action = "SCMP_ACT_LOG", .args = {{.index = 6}}}).message(),
      StartsWith("linux.seccomp.syscalls[1].args[0].index: is 6"));
  EXPECT_THAT(
      rules({.names = {"read"}, .action = "SCMP_ACT_LOG", .args = {{.op = "=="}}}).message(),
      StartsWith("linux.seccomp.syscalls[1].args[0].op: '=='"));
  EXPECT_EQ(ErrorOf({.default_action = "ALLOW"}).code(), Code::kInvalidArgument);
}

TEST(CompileTest, WhatCannotBeAskedOfAListenerIsRefused) {
  oci::Seccomp profile = AllowAllBut({.names = {"write"}, .action = "SCMP_ACT_NOTIFY"});
  EXPECT_THAT(ErrorOf(profile).message(),
              AllOf(StartsWith("linux.seccomp.syscalls[0].action"), HasSubstr("listenerPath")));
  profile.listener_path = "/run/agent.sock";
  EXPECT_THAT(ErrorOf(profile).message(), StartsWith("linux.seccomp.syscalls[0].names"));
  profile.default_action = "SCMP_ACT_NOTIFY";
  EXPECT_THAT(ErrorOf(profile).message(), StartsWith("linux.seccomp.defaultAction"));
  EXPECT_THAT(
      ErrorOf({.default_action = "SCMP_ACT_ALLOW", .listener_metadata = "for the agent"}).message(),
      StartsWith("linux.seccomp.listenerMetadata"));
}

TEST(CompileTest, AProfileThatIsTooLargeForTheKernelIsRefused) {
  oci::Seccomp profile = AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_LOG"});
  for (uint64_t i = 0; i < 1500; ++i)
    profile.syscalls.push_back({.names = {"getppid"},
                                .action = "SCMP_ACT_ERRNO",
                                .args = {{.index = 0, .value = i << 32, .op = "SCMP_CMP_EQ"},
                                         {.index = 1, .value = i, .op = "SCMP_CMP_EQ"}}});
  profile.syscalls.erase(profile.syscalls.begin());
  const Error error = ErrorOf(profile);
  EXPECT_EQ(error.code(), Code::kOutOfRange);
  EXPECT_THAT(error.message(), HasSubstr("instructions"));
}

// libseccomp would take minutes over each of the two.
TEST(CompileTest, ARuleAHundredThousandTimesIsOneAndThatManyRulesAreRefused) {
  oci::Seccomp profile =
      AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 5});
  profile.syscalls.front().args = {{.index = 0, .value = 0, .op = "SCMP_CMP_EQ"}};
  const Instructions once = Must(Compile(profile)).instructions;
  profile.syscalls.resize(100'000, profile.syscalls.front());
  EXPECT_EQ(Must(Compile(profile)).instructions, once);
  for (size_t i = 0; i < profile.syscalls.size(); ++i) profile.syscalls[i].args[0].value = i;
  const Error error = ErrorOf(profile);
  EXPECT_EQ(error.code(), Code::kOutOfRange);
  EXPECT_THAT(error.message(), StartsWith("linux.seccomp.syscalls[4096]: there are more rules"));
}

TEST(InstallTest, NeedsRightsOrNoNewPrivileges) {
  const Program program =
      Must(Compile(AllowAllBut({.names = {"getppid"}, .action = "SCMP_ACT_LOG"})));
  EXPECT_EQ(InChild([&] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
              const auto installed = Install(program);
              if (installed) return 2;
              const bool says =
                  installed.error().message().find("noNewPrivileges") != std::string::npos;
              return says && installed.error().code() == Code::kPermissionDenied ? 3 : 4;
            }),
            "exit 3");
}

TEST(InstallTest, AFilterThatIsNoneIsRefusedWithoutEffect) {
  EXPECT_EQ(InChild([] {
              ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              const auto installed = Install(Program{.instructions = {{.code = 0xffff}}});
              return !installed && ErrnoOfCall() == 0 ? 3 : 4;
            }),
            "exit 3");
}

}  // namespace
}  // namespace wasmoor::seccomp
