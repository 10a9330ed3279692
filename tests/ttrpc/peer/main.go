// Go's ttrpc, as the other side of ours: `peer serve SOCKET` is a server with a service test.Peer,
// `peer call SOCKET TEST` a client that makes calls of a server that has one, and says what was wrong with the
// answers. Messages are google.protobuf.BytesValue.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 2 && arguments[0] == "serve" {
		return serve(arguments[1])
	}
	if len(arguments) == 3 && arguments[0] == "call" {
		return call(arguments[1], arguments[2])
	}
	return fmt.Errorf("usage: peer serve SOCKET | peer call SOCKET TEST")
}
