module wasmoor.example/peer

go 1.24
