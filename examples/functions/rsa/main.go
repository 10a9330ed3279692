// Makes an RSA key: GET /rsa?bits=3072 answers with the private key and the public one in PEM. 2048 bits are the least
// and the default, 4096 the most.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strconv"
)

const (
	least = 2048
	most  = 4096
)

// keySize is what the query asks for. Sizes that are no multiple of 8 would give keys that some programs refuse.
func keySize(query string) (int, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, fmt.Errorf("the query: %w", err)
	}
	text := values.Get("bits")
	if text == "" {
		return least, nil
	}
	bits, err := strconv.Atoi(text)
	if err != nil || bits < least || bits > most || bits%8 != 0 {
		return 0, fmt.Errorf("bits: %.20q is no multiple of 8 from %d to %d", text, least, most)
	}
	return bits, nil
}

func makeKey(bits int) ([]*pem.Block, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return []*pem.Block{{Type: "PRIVATE KEY", Bytes: private}, {Type: "PUBLIC KEY", Bytes: public}}, nil
}

func answer() error {
	out := bufio.NewWriter(os.Stdout)
	bits, err := keySize(os.Getenv("QUERY_STRING"))
	if err != nil {
		fmt.Fprintf(out, "Status: 400 Bad Request\nContent-Type: text/plain; charset=utf-8\n\n%v\n", err)
		return out.Flush()
	}
	blocks, err := makeKey(bits)
	if err != nil {
		return err
	}
	fmt.Fprint(out, "Content-Type: application/x-pem-file\nCache-Control: no-store\n\n")
	for _, block := range blocks {
		if err := pem.Encode(out, block); err != nil {
			return err
		}
	}
	return out.Flush()
}

func main() {
	if err := answer(); err != nil {
		fmt.Fprintln(os.Stderr, "rsa:", err)
		os.Exit(1)
	}
}
