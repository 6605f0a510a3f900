#include "base/dtype.h"

namespace tenon {
namespace {

struct Row {
  DType type;
  const char* name;
  uint8_t size;
  char kind;  // f float, i signed, u unsigned, b bool, s string, n narrow
};

constexpr Row kRows[] = {
    {DType::f32, "f32", 4, 'f'},         {DType::u8, "u8", 1, 'u'},
    {DType::i8, "i8", 1, 'i'},           {DType::u16, "u16", 2, 'u'},
    {DType::i16, "i16", 2, 'i'},         {DType::i32, "i32", 4, 'i'},
    {DType::i64, "i64", 8, 'i'},         {DType::string, "string", 16, 's'},
    {DType::boolean, "bool", 1, 'b'},    {DType::f16, "f16", 2, 'f'},
    {DType::f64, "f64", 8, 'f'},         {DType::u32, "u32", 4, 'u'},
    {DType::u64, "u64", 8, 'u'},         {DType::bf16, "bf16", 2, 'f'},
    {DType::f8e4m3fn, "f8e4m3fn", 1, 'f'}, {DType::f8e4m3fnuz, "f8e4m3fnuz", 1, 'f'},
    {DType::f8e5m2, "f8e5m2", 1, 'f'},   {DType::f8e5m2fnuz, "f8e5m2fnuz", 1, 'f'},
    {DType::u4, "u4", 1, 'n'},           {DType::i4, "i4", 1, 'n'},
    {DType::f4e2m1, "f4e2m1", 1, 'n'},   {DType::f8e8m0, "f8e8m0", 1, 'n'},
    {DType::u2, "u2", 1, 'n'},           {DType::i2, "i2", 1, 'n'},
};

const Row* find(DType type) {
  for (const Row& row : kRows)
    if (row.type == type) return &row;
  return nullptr;
}

}  // namespace

size_t size_of(DType type) {
  const Row* row = find(type);
  return row ? row->size : 0;
}

std::string_view name_of(DType type) {
  const Row* row = find(type);
  return row ? row->name : "?";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows)
    if (name == row.name) return row.type;
  return std::nullopt;
}

bool is_known(DType type) { return find(type) != nullptr; }

bool is_float(DType type) {
  const Row* row = find(type);
  return row && row->kind == 'f';
}

bool is_integer(DType type) {
  const Row* row = find(type);
  return row && (row->kind == 'i' || row->kind == 'u');
}

bool is_signed(DType type) {
  const Row* row = find(type);
  return row && (row->kind == 'i' || row->kind == 'f');
}

bool is_only_stored(DType type) {
  const Row* row = find(type);
  return row && row->size == 1 && (row->kind == 'f' || row->kind == 'n');
}

}  // namespace tenon
