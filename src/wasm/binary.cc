#include "wasmoor/wasm/binary.h"

#include "wasm/binary_parts.h"

namespace wasmoor::wasm {
namespace {

using hostcall::ValueType;

struct AbstractType {
  uint8_t code;
  ValueType type;
  bool Features::* feature;  // That it came with; null: core 1.0.
};

// Core specification 5.3.1 to 5.3.5 and the proposals'.
constexpr AbstractType kTypes[] = {
    {0x7f, ValueType::kI32, nullptr},
    {0x7e, ValueType::kI64, nullptr},
    {0x7d, ValueType::kF32, nullptr},
    {0x7c, ValueType::kF64, nullptr},
    {0x7b, ValueType::kV128, &Features::simd},
    {0x70, ValueType::kFuncRef, nullptr},
    {0x6f, ValueType::kExternRef, &Features::reference_types},
    {0x6e, ValueType::kOtherRef, &Features::gc},               // anyref
    {0x6d, ValueType::kOtherRef, &Features::gc},               // eqref
    {0x6c, ValueType::kOtherRef, &Features::gc},               // i31ref
    {0x6b, ValueType::kOtherRef, &Features::gc},               // structref
    {0x6a, ValueType::kOtherRef, &Features::gc},               // arrayref
    {0x71, ValueType::kOtherRef, &Features::gc},               // nullref
    {0x72, ValueType::kOtherRef, &Features::gc},               // nullexternref
    {0x73, ValueType::kOtherRef, &Features::gc},               // nullfuncref
    {0x69, ValueType::kOtherRef, &Features::exceptions},       // exnref
    {0x74, ValueType::kOtherRef, &Features::exceptions},       // nullexnref
    {0x68, ValueType::kOtherRef, &Features::stack_switching},  // contref
    {0x75, ValueType::kOtherRef, &Features::stack_switching},  // nullcontref
};

constexpr uint8_t kRefNull = 0x63, kRef = 0x64, kShared = 0x65;

const AbstractType* FindType(uint8_t code) {
  for (const AbstractType& type : kTypes) {
    if (type.code == code) return &type;
  }
  return nullptr;
}

void Note(const AbstractType& type, Features& features) {
  if (type.feature != nullptr) features.*type.feature = true;
}

}  // namespace

void ReadHeapType(BinaryReader& reader, Features& features) {
  if (reader.Peek() == kShared) reader.Byte();
  if (const AbstractType* type = FindType(reader.Peek())) {
    reader.Byte();
    Note(*type, features);
    return;
  }
  features.function_references = true;
  constexpr int kTypeIndexBits = 33;
  if (reader.Signed(kTypeIndexBits) < 0) reader.Mistake("not a type");
}

ValueType ReadValueType(BinaryReader& reader, Features& features) {
  const uint8_t code = reader.Byte();
  if (code == kRef || code == kRefNull) {
    features.function_references = true;
    ReadHeapType(reader, features);
    return ValueType::kOtherRef;
  }
  if (const AbstractType* type = FindType(code)) {
    Note(*type, features);
    return type->type;
  }
  reader.Mistake("{:#x} is not the type of a value", code);
  return ValueType::kOtherRef;
}

void ReadCustom(BinaryReader& reader, const std::string& name, Outline& outline) {
  if (name == "name" || name == "component-name") outline.has_names = true;
  if (name.starts_with(".debug_")) outline.has_debug_info = true;
  if (name != "producers") return;
  // tool-conventions, ProducersSection.md. What is wrong in a custom section is no fault of the
  // module's (core specification 7.6): reading stops there.
  for (uint32_t fields = reader.Count("fields"); fields > 0 && reader.ok(); --fields) {
    const std::string field = reader.Name();
    for (uint32_t values = reader.Count("values"); values > 0 && reader.ok(); --values) {
      Producer producer{field, reader.Name(), reader.Name()};
      constexpr size_t kMostProducers = 1000;
      if (reader.ok() && outline.producers.size() < kMostProducers)
        outline.producers.push_back(std::move(producer));
    }
  }
}

Result<Outline> ReadOutline(Bytes wasm) {
  Outline outline;
  for (const FeatureInfo& feature : AllFeatures()) outline.features.*feature.member = false;
  if (!LooksLikeModule(wasm) && !LooksLikeComponent(wasm))
    return Fail(Code::kInvalidArgument,
                "at offset 0x0: this is not how a WebAssembly binary begins");
  BinaryReader reader(wasm.subspan(kPreambleBytes), kPreambleBytes);
  if (LooksLikeComponent(wasm)) {
    outline.kind = ModuleKind::kComponent;
    outline.features.component_model = true;
    ReadComponent(reader, outline);
  } else {
    ReadCoreModule(reader, outline);
  }
  if (!reader.ok()) return tl::unexpected(reader.status().error());
  return outline;
}

std::string ToString(const SizeRange& range) {
  return range.maximum ? fmt::format("{}..{}", range.minimum, *range.maximum)
                       : fmt::format("{}..", range.minimum);
}

}  // namespace wasmoor::wasm
