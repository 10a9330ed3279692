// Prints a line, by Rust's standard library: the least that a program in Rust is.
fn main() {
    println!("Hello from wasm!");
}
