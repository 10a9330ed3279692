module wasmoor.example/hello

go 1.21
