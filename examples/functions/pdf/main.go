// Makes an invoice in PDF: POST /pdf with the invoice in JSON (invoice.go says what it has); GET /pdf makes one of 3
// items.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

const largest = 4 << 20 // Bytes of a request's body.

var sample = invoice{
	Number: "2031-0042", Date: "2031-05-06", Currency: "EUR",
	From: []string{"Moor Peat Ltd", "1 Bog Lane", "Marshfield"},
	To:   []string{"Heather Fenn", "7 Cotton Grass Way", "Sphagnum"},
	Items: []item{
		{"Peat, dry, in sacks of 20 kg", 12, 849}, {"Delivery to the moor's edge", 1, 3900},
		{"Boots, waterproof, size 43", 2, 6550},
	},
	Note: "Payable within 14 days. Thank you for the order!",
}

// given is the invoice of the request.
func given() (invoice, error) {
	if os.Getenv("REQUEST_METHOD") != "POST" {
		return sample, nil
	}
	body, err := io.ReadAll(io.LimitReader(os.Stdin, largest+1))
	if err != nil {
		return invoice{}, err
	}
	if len(body) > largest {
		return invoice{}, fmt.Errorf("an invoice has at most %d bytes", largest)
	}
	var found invoice
	if err := json.Unmarshal(body, &found); err != nil {
		return invoice{}, fmt.Errorf("the body is no invoice in JSON: %w", err)
	}
	return found, found.check()
}

func answer() error {
	found, err := given()
	if err != nil {
		_, wrong := fmt.Printf("Status: 400 Bad Request\nContent-Type: text/plain; charset=utf-8\n\n%v\n", err)
		return wrong
	}
	file := found.draw()
	_, err = fmt.Print("Content-Type: application/pdf\nContent-Disposition: inline; filename=\"invoice.pdf\"\n\n")
	_, wrong := os.Stdout.Write(file)
	return errors.Join(err, wrong)
}

func main() {
	if err := answer(); err != nil {
		fmt.Fprintln(os.Stderr, "pdf:", err)
		os.Exit(1)
	}
}
