package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	mostItems   = 5000
	mostAmount  = 1e9 // Of a quantity, and of a price in cents: their product is exact in an int64.
	longestLine = 200 // Characters.
)

type item struct {
	Text     string `json:"text"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price"` // Cents of one.
}

type invoice struct {
	Number   string   `json:"number"`
	Date     string   `json:"date"`
	Currency string   `json:"currency"`
	From     []string `json:"from"`
	To       []string `json:"to"`
	Items    []item   `json:"items"`
	Note     string   `json:"note"`
}

func (v *invoice) check() error {
	if len(v.Items) == 0 || len(v.Items) > mostItems {
		return fmt.Errorf("items: there are %d, not 1 to %d", len(v.Items), mostItems)
	}
	for i, one := range v.Items {
		if len(one.Text) > longestLine {
			return fmt.Errorf("items[%d].text: longer than %d bytes", i, longestLine)
		}
		if one.Quantity < 0 || one.Quantity > mostAmount || one.Price < 0 || one.Price > mostAmount {
			return fmt.Errorf("items[%d]: a quantity and a price are from 0 to %.0f", i, mostAmount)
		}
	}
	if len(v.From) > 8 || len(v.To) > 8 {
		return fmt.Errorf("from, to: an address has at most 8 lines")
	}
	return nil
}

func (v *invoice) total() float64 {
	sum := 0.0 // Exact up to 2^53 cents.
	for _, one := range v.Items {
		sum += float64(one.Quantity * one.Price)
	}
	return sum
}

func money(cents float64) string {
	units, rest := math.Floor(cents/100), math.Mod(cents, 100)
	digits := strconv.FormatFloat(units, 'f', 0, 64)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return fmt.Sprintf("%s.%02.0f", digits, rest)
}

// Where things are on a page, in points.
const (
	left       = 60.0
	right      = pageWidth - 60.0
	top        = pageHeight - 70.0
	bottom     = 80.0
	quantityAt = right - 160
	priceAt    = right - 80
	textWidth  = quantityAt - 50 - left
	size       = 10.0
	leading    = 14.0
)

// wrap breaks text into lines of at most `most` points; a word that is longer has one of its own.
func wrap(text string, most float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && width(longer, size) > most {
			lines, longer = append(lines, line), word
		}
		line = longer
	}
	return append(lines, line)
}

// sheet is an invoice that is being drawn: y is where its next line is.
type sheet struct {
	document
	y float64
}

func (s *sheet) tableHead() {
	s.text(bold, size, left, s.y, "Item")
	s.text(bold, size, quantityAt-24, s.y, "Qty.")
	s.text(bold, size, priceAt-26, s.y, "Price")
	s.text(bold, size, right-28, s.y, "Total")
	s.line(left, s.y-4, right, s.y-4)
	s.y -= leading + 4
}

// room has a page begin if there is not so much of it left.
func (s *sheet) room(height float64) {
	if s.y-height >= bottom {
		return
	}
	s.addPage()
	s.y = top
	s.tableHead()
}

func (s *sheet) addItem(one item) {
	lines := wrap(one.Text, textWidth)
	s.room(float64(len(lines)) * leading)
	s.textTo(regular, size, quantityAt, s.y, strconv.FormatInt(one.Quantity, 10))
	s.textTo(regular, size, priceAt, s.y, money(float64(one.Price)))
	s.textTo(regular, size, right, s.y, money(float64(one.Quantity*one.Price)))
	for _, words := range lines {
		s.text(regular, size, left, s.y, words)
		s.y -= leading
	}
}

func (s *sheet) addHead(v *invoice) {
	s.text(bold, 20, left, s.y, "Invoice "+v.Number)
	s.textTo(regular, size, right, s.y, v.Date)
	s.y -= 40
	for i := 0; i < max(len(v.From), len(v.To)); i++ {
		if i < len(v.From) {
			s.text(regular, size, left, s.y, v.From[i])
		}
		if i < len(v.To) {
			s.text(regular, size, (left+right)/2, s.y, v.To[i])
		}
		s.y -= leading
	}
	s.y -= 2 * leading
}

func (s *sheet) addNumbers() {
	for i := range s.pages {
		number := fmt.Sprintf("%d / %d", i+1, len(s.pages))
		fmt.Fprintf(s.pages[i], "BT /F0 8 Tf %.2f 40 Td (%s) Tj ET\n", (pageWidth-width(number, 8))/2, number)
	}
}

func (v *invoice) draw() []byte {
	s := sheet{document: document{title: "Invoice " + v.Number}, y: top}
	s.addPage()
	s.addHead(v)
	s.tableHead()
	for _, one := range v.Items {
		s.addItem(one)
	}
	s.room(2 * leading)
	s.line(left, s.y+leading-4, right, s.y+leading-4)
	s.y -= 4
	s.text(bold, size, left, s.y, "Total "+v.Currency)
	s.textTo(bold, size, right, s.y, money(v.total()))
	s.y -= 3 * leading
	for _, words := range wrap(v.Note, right-left) {
		s.room(leading)
		s.text(regular, size, left, s.y, words)
		s.y -= leading
	}
	s.addNumbers()
	return s.bytes()
}
