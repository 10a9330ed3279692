;; Exports a function but nothing to start: only good for --invoke.
(module
  (func (export "answer") (result i32) (i32.const 42)))
