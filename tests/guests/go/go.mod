module wasmoor.example/sortlines

go 1.21
