#pragma once

#include <google/protobuf/compiler/code_generator.h>

#include <string>

namespace wasmoor::protoc_gen_ttrpc {

// Makes x.ttrpc.h and x.ttrpc.cc from x.proto. For each service X in it:
//
//   class XService           abstract: one function a method, to be served by a ttrpc::Server
//   class XClient            calls by a ttrpc::Client, which call back
//   class BlockingXClient    calls by a ttrpc::BlockingClient, which wait
//
// Each takes the service's full name, or another that the same methods and messages go by. Methods
// that take or give streams are refused: the room ttrpc has none.
class Generator : public google::protobuf::compiler::CodeGenerator {
 public:
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;
  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace wasmoor::protoc_gen_ttrpc
