#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "function/page/snapshot.h"

// The numbers of functions and of tenants, once for tables, for sorting and for machines.
namespace wasmoor::function::page {

template <typename Row>
struct Column {
  std::string_view key;    // In addresses and in JSON.
  std::string_view title;  // Of the column.
  std::string_view hint;   // What it is, as a sentence.
  double (*value)(const Row& row);
  std::string (*text)(double value);
  enum class Tone : uint8_t {
    kPlain,
    kBad,  // Anything but 0 is.
  } tone = Tone::kPlain;
};

// So many columns have a title in common.
struct ColumnGroup {
  std::string_view title;
  size_t columns;
};

std::span<const Column<FunctionRow>> ColumnsOf(const FunctionRow*);
std::span<const Column<TenantRow>> ColumnsOf(const TenantRow*);
std::span<const ColumnGroup> GroupsOf(const FunctionRow*);
std::span<const ColumnGroup> GroupsOf(const TenantRow*);

std::string_view NameOf(State state);

}  // namespace wasmoor::function::page
