;; The smallest command: what an instance costs by itself.
(module
  (memory (export "memory") 1)
  (func (export "_start")))
