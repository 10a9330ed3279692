(component (core module $m (memory (export "memory") 1) (func (export "f") (param i32) (result i32) (local.get 0))
    (func (export "g") (loop (br 0)))) (core instance $i (instantiate $m))
  (func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f")))
  (func (export "g") (canon lift (core func $i "g"))))
