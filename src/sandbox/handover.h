#pragma once

#include <utility>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"

// What sandboxes have in common of what they tell the program that takes their process over, and
// read again there.
namespace wasmoor::sandbox {

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

// Of an exec: what it is to run, too, as long as it is not started.
Result<ExecRequest> ReadExec(const handover::Process& state);

// Those of the containers that can be taken over are in `containers` then, made by `make` of what
// was asked for. The error is that of the last one that cannot.
template <typename Containers, typename States, typename Make>
Status TakeOverEach(const States& states, const Make& make, Containers* containers) {
  Status all;
  for (const handover::Container& one : states) {
    auto container = make(ReadRequest(one));
    if (Status taken = container->TakeOver(one); taken) {
      (*containers)[one.id()] = std::move(container);
    } else {
      all = std::move(taken);
    }
  }
  return all;
}

}  // namespace wasmoor::sandbox
