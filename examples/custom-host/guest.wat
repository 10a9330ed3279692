;; Adds up 1 to 10 in the host's ledger, asks for the balance and exits with it.
(module
  (import "ledger" "deposit" (func $deposit (param i64)))
  (import "ledger" "balance" (func $balance (result i64)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $n i64)
    (local.set $n (i64.const 10))
    (loop $again
      (call $deposit (local.get $n))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $again (i64.gt_s (local.get $n) (i64.const 0))))
    (call $proc_exit (i32.wrap_i64 (call $balance)))))
