;; Starts with all the memory that 32 bits address: 4 GiB.
(module
  (memory (export "memory") 65536)
  (func (export "_start")))
