(module (tag $e (param i32)) (func $throws (param i32) (throw $e (local.get 0)))
  (func (export "_start") (block $h (result i32) (try_table (catch $e $h)
    (call $throws (i32.const 4))) (i32.const 0)) (call $throws)))
