(module (table 3 funcref) (elem (i32.const 0) $a $b) (type $t (func (param i32) (result i32)))
  (func $a (type $t) (local.get 0)) (func $b (type $t) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func (export "_start") (local $i i32)
    (block $out (loop $again
      (br_table $out $again $out (call_indirect (type $t) (local.get $i) (local.get $i)))))
    (if (i32.eqz (memory.grow (i32.const 1))) (then unreachable)))
  (memory 0 3) (data "abc") (func (export "init") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop 0)))
