// Prints a line, by Go's standard library: the least that a program in Go is.
package main

import "fmt"

func main() {
	fmt.Println("Hello from wasm!")
}
