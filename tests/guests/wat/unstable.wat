;; Built for the WASI before 0.1 ("wasi_unstable"), which nobody should need to provide any more.
(module
  (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 0))))
