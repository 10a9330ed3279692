(module (memory i64 1) (func (export "_start")
  (v128.store (i64.const 16) (i8x16.swizzle (v128.const i32x4 1 2 3 4) (i32x4.splat (i32.const 65535))))
  (drop (f32x4.relaxed_madd (f32x4.splat (f32.const 1)) (f32x4.splat (f32.const nan)) (f32x4.splat (f32.const 3)))))
  (func (export "wide") (result i64 i64) (i64.mul_wide_u (i64.const -1) (i64.const 3))))
