(module (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
  (func (export "_start") (loop (br 0))) (memory $small 4 (pagesize 1))
  (func (export "grow") (result i32) (memory.grow (i32.const -1))))
