// The functions that are written in Go, a folder each. They need the standard library only.
module wasmoor.example/functions

go 1.21
