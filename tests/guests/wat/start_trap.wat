;; Traps while it is instantiated, before anything of it can be called.
(module
  (memory (export "memory") 1)
  (func $begin unreachable)
  (start $begin)
  (func (export "_start")))
