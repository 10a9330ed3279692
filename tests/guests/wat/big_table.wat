;; Grows a table by a million elements at a time until it is refused; says how many times with its exit code.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (table $table 1 funcref)
  (memory (export "memory") 1)
  (func (export "_start")
    (local $times i32)
    (block $refused
      (loop $again
        (br_if $refused
          (i32.eq (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1)))
        (local.set $times (i32.add (local.get $times) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $times) (i32.const 100)))))
    (call $exit (local.get $times))))
