#pragma once

#include <chrono>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"

// What sandboxes have in common of what they tell the program that takes their process over, and
// read again there.
namespace wasmoor::sandbox {

int64_t ToNanoseconds(std::chrono::system_clock::time_point time);
std::chrono::system_clock::time_point FromNanoseconds(int64_t time);

void Describe(const Streams& streams, handover::Streams* state);
void Describe(const Exit& exit, handover::Exit* state);
void Describe(const CreateRequest& request, handover::Container* state);
void Describe(const PodRequest& request, handover::PodRequest* state);
handover::Process::State StateOf(State state);

Streams ReadStreams(const handover::Streams& state);
Exit ReadExit(const handover::Exit& state);
CreateRequest ReadRequest(const handover::Container& state);
PodRequest ReadPodRequest(const handover::PodRequest& state);
State ReadState(handover::Process::State state);

// Of an exec that is not started: what it is to run.
Result<ExecRequest> ReadExec(const handover::Process& state);

}  // namespace wasmoor::sandbox
