// Go's net/http with the handlers that all peers have: / a line, /echo the body, /spin nothing for ever. The argument
// is where it listens, for HTTP/1.1 and for HTTP/2 without TLS.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello from wasm!\n")
	})
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.Copy(w, r.Body)
	})
	http.HandleFunc("/spin", func(http.ResponseWriter, *http.Request) {
		for {
		}
	})
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	log.Fatal((&http.Server{Addr: os.Args[1], Protocols: protocols}).ListenAndServe())
}
