;; Imports a WASI function with a type that is not its own: (i32) where it is (i32 i32 i32 i32) -> i32.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $write (i32.const 1))))
