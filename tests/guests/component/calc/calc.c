// The exports of the world calc (wit/world.wit), with the bindings that wit-bindgen makes of it.
#include "calc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t exports_calc_add(int32_t a, int32_t b) { return a + b; }

bool exports_calc_divide(int32_t a, int32_t b, int32_t* result, calc_string_t* error) {
  if (b == 0) {
    calc_string_dup(error, "division by zero");
    return false;
  }
  *result = a / b;
  return true;
}

void exports_calc_greet(calc_string_t* name, calc_string_t* result) {
  static const char kGreeting[] = "Hello, ";
  result->len = sizeof(kGreeting) - 1 + name->len + 1;
  result->ptr = malloc(result->len);
  memcpy(result->ptr, kGreeting, sizeof(kGreeting) - 1);
  memcpy(result->ptr + sizeof(kGreeting) - 1, name->ptr, name->len);
  result->ptr[result->len - 1] = '!';
  calc_string_free(name);
}

uint64_t exports_calc_sum(calc_list_u32_t* numbers) {
  uint64_t sum = 0;
  for (size_t i = 0; i < numbers->len; i++) sum += numbers->ptr[i];
  calc_list_u32_free(numbers);
  return sum;
}

bool exports_calc_first(calc_list_string_t* words, calc_string_t* result) {
  bool any = words->len > 0;
  if (any) calc_string_dup_n(result, (const char*)words->ptr[0].ptr, words->ptr[0].len);
  calc_list_string_free(words);
  return any;
}

void exports_calc_crash(void) { __builtin_trap(); }

void exports_wasmoor_guests_shapes_move(exports_wasmoor_guests_shapes_point_t* start,
                                        exports_wasmoor_guests_shapes_point_t* by,
                                        exports_wasmoor_guests_shapes_point_t* result) {
  result->x = start->x + by->x;
  result->y = start->y + by->y;
}

exports_wasmoor_guests_shapes_side_t exports_wasmoor_guests_shapes_side_of(
    exports_wasmoor_guests_shapes_point_t* where) {
  return where->x < 0 ? EXPORTS_WASMOOR_GUESTS_SHAPES_SIDE_LEFT
                      : EXPORTS_WASMOOR_GUESTS_SHAPES_SIDE_RIGHT;
}
