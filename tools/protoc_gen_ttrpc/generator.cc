#include "generator.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <map>
#include <memory>

namespace wasmoor::protoc_gen_ttrpc {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::compiler::cpp::QualifiedClassName;
using google::protobuf::io::Printer;
using Names = std::map<std::string, std::string>;

constexpr char kHead[] =
    "// Generated from $file$ by protoc-gen-ttrpc.\n"
    "\n";

constexpr char kServiceClass[] =
    "class $service$Service : public ::wasmoor::ttrpc::Service {\n"
    " public:\n"
    "  static constexpr char kName[] = \"$full_name$\";\n"
    "  explicit $service$Service(std::string name = kName)\n"
    "      : ::wasmoor::ttrpc::Service(std::move(name)) {}\n"
    "\n";

constexpr char kServiceMethod[] =
    "  virtual void $method$(const $request$& request,\n"
    "      const ::wasmoor::ttrpc::CallInfo& info,\n"
    "      ::wasmoor::ttrpc::Reply<$response$> reply) = 0;\n";

constexpr char kServiceEnd[] =
    "\n"
    "  void Call(std::string_view method, std::string_view payload,\n"
    "            const ::wasmoor::ttrpc::CallInfo& info,\n"
    "            ::wasmoor::ttrpc::RawReply reply) final;\n"
    "};\n"
    "\n";

constexpr char kClientClass[] =
    "class $service$Client {\n"
    " public:\n"
    "  // The client must outlive this.\n"
    "  explicit $service$Client(::wasmoor::ttrpc::Client& client,\n"
    "      std::string name = $service$Service::kName)\n"
    "      : client_(client), name_(std::move(name)) {}\n"
    "\n";

constexpr char kClientMethod[] =
    "  void $method$(const $request$& request,\n"
    "      std::function<void(::wasmoor::Result<$response$>)> done,\n"
    "      const ::wasmoor::ttrpc::CallOptions& options = {}) {\n"
    "    client_.Call<$response$>(name_, \"$method$\", request, options, std::move(done));\n"
    "  }\n";

constexpr char kClientEnd[] =
    "\n"
    " private:\n"
    "  ::wasmoor::ttrpc::Client& client_;\n"
    "  std::string name_;\n"
    "};\n"
    "\n";

constexpr char kBlockingClass[] =
    "class Blocking$service$Client {\n"
    " public:\n"
    "  // The client must outlive this.\n"
    "  explicit Blocking$service$Client(::wasmoor::ttrpc::BlockingClient& client,\n"
    "      std::string name = $service$Service::kName)\n"
    "      : client_(client), name_(std::move(name)) {}\n"
    "\n";

constexpr char kBlockingMethod[] =
    "  ::wasmoor::Result<$response$> $method$(const $request$& request,\n"
    "      const ::wasmoor::ttrpc::CallOptions& options = {}) {\n"
    "    return client_.Call<$response$>(name_, \"$method$\", request, options);\n"
    "  }\n";

constexpr char kBlockingEnd[] =
    "\n"
    " private:\n"
    "  ::wasmoor::ttrpc::BlockingClient& client_;\n"
    "  std::string name_;\n"
    "};\n"
    "\n";

constexpr char kCall[] =
    "void $service$Service::Call(std::string_view method, std::string_view payload,\n"
    "    const ::wasmoor::ttrpc::CallInfo& info, ::wasmoor::ttrpc::RawReply reply) {\n";

constexpr char kCallMethod[] =
    "  if (method == \"$method$\") {\n"
    "    return ::wasmoor::ttrpc::Dispatch(this, &$service$Service::$method$, payload, info,\n"
    "                                      std::move(reply));\n"
    "  }\n";

constexpr char kCallEnd[] =
    "  ::wasmoor::ttrpc::Unimplemented(info, std::move(reply));\n"
    "}\n"
    "\n";

std::string Replace(std::string text, char from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, 1, to);
  return text;
}

// A pattern of its beginning, one for each method, and its end.
void Print(Printer* printer, const ServiceDescriptor* service, const char* begin,
           const char* method, const char* end) {
  Names names = {{"service", service->name()}, {"full_name", service->full_name()}};
  printer->Print(names, begin);
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodDescriptor* one = service->method(i);
    names["method"] = one->name();
    names["request"] = QualifiedClassName(one->input_type());
    names["response"] = QualifiedClassName(one->output_type());
    printer->Print(names, method);
  }
  printer->Print(names, end);
}

void PrintHeader(Printer* printer, const FileDescriptor* file, const Names& names) {
  printer->Print(names, kHead);
  printer->Print(names,
                 "#pragma once\n"
                 "\n"
                 "#include <functional>\n"
                 "#include <string>\n"
                 "#include <string_view>\n"
                 "#include <utility>\n"
                 "\n"
                 "#include \"wasmoor/ttrpc/client.h\"\n"
                 "#include \"wasmoor/ttrpc/service.h\"\n"
                 "#include \"$base$.pb.h\"\n");
  // Messages of other files: a method may name one that this file's header has only announced.
  for (int i = 0; i < file->dependency_count(); ++i) {
    const std::string base =
        google::protobuf::compiler::cpp::StripProto(file->dependency(i)->name());
    printer->Print({{"base", base}}, "#include \"$base$.pb.h\"\n");
  }
  printer->Print(names, "\nnamespace $namespace$ {\n\n");
  for (int i = 0; i < file->service_count(); ++i) {
    const ServiceDescriptor* service = file->service(i);
    Print(printer, service, kServiceClass, kServiceMethod, kServiceEnd);
    Print(printer, service, kClientClass, kClientMethod, kClientEnd);
    Print(printer, service, kBlockingClass, kBlockingMethod, kBlockingEnd);
  }
  printer->Print(names, "}  // namespace $namespace$\n");
}

void PrintSource(Printer* printer, const FileDescriptor* file, const Names& names) {
  printer->Print(names, kHead);
  printer->Print(names, "#include \"$base$.ttrpc.h\"\n\nnamespace $namespace$ {\n\n");
  for (int i = 0; i < file->service_count(); ++i)
    Print(printer, file->service(i), kCall, kCallMethod, kCallEnd);
  printer->Print(names, "}  // namespace $namespace$\n");
}

// The first method that is none of one request and one response. Null if there is none.
const MethodDescriptor* FindStream(const FileDescriptor* file) {
  for (int i = 0; i < file->service_count(); ++i) {
    const ServiceDescriptor* service = file->service(i);
    for (int j = 0; j < service->method_count(); ++j) {
      const MethodDescriptor* method = service->method(j);
      if (method->client_streaming() || method->server_streaming()) return method;
    }
  }
  return nullptr;
}

}  // namespace

bool Generator::Generate(const FileDescriptor* file, const std::string&,
                         google::protobuf::compiler::GeneratorContext* context,
                         std::string* error) const {
  if (file->package().empty()) {
    *error = file->name() + ": has no package, which would be the namespace of what is generated";
    return false;
  }
  if (const MethodDescriptor* stream = FindStream(file)) {
    *error = stream->full_name() + ": takes or gives a stream, which wasmoor's ttrpc does not";
    return false;
  }
  const std::string base = google::protobuf::compiler::cpp::StripProto(file->name());
  const Names names = {
      {"file", file->name()}, {"base", base}, {"namespace", Replace(file->package(), '.', "::")}};
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> header(
      context->Open(base + ".ttrpc.h"));
  Printer header_printer(header.get(), '$');
  PrintHeader(&header_printer, file, names);
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> source(
      context->Open(base + ".ttrpc.cc"));
  Printer source_printer(source.get(), '$');
  PrintSource(&source_printer, file, names);
  return true;
}

}  // namespace wasmoor::protoc_gen_ttrpc
