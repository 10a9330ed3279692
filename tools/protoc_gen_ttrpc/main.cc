// protoc-gen-ttrpc: protoc --plugin=protoc-gen-ttrpc=THIS --ttrpc_out=DIRECTORY x.proto
#include <google/protobuf/compiler/plugin.h>

#include "generator.h"

int main(int argc, char** argv) {
  const wasmoor::protoc_gen_ttrpc::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
