package main

import (
	"bytes"
	"compress/zlib"
	"fmt"
)

// A page of A4, in points (1/72 inch) from its lower left corner.
const (
	pageWidth  = 595
	pageHeight = 842
)

type font int

const (
	regular font = iota // Helvetica, which every reader of PDF has
	bold                // Helvetica-Bold
)

// document is a PDF of text and lines: ISO 32000-1, whose sections are named below.
type document struct {
	title string
	pages []*bytes.Buffer // What is drawn on each, 7.8.2.
}

func (d *document) addPage() { d.pages = append(d.pages, &bytes.Buffer{}) }

func (d *document) page() *bytes.Buffer { return d.pages[len(d.pages)-1] }

// text draws a line of text that begins at x, on the last page.
func (d *document) text(f font, size, x, y float64, words string) {
	fmt.Fprintf(d.page(), "BT /F%d %.2f Tf %.2f %.2f Td %s Tj ET\n", f, size, x, y, literal(winAnsi(words)))
}

// textTo draws one that ends at x.
func (d *document) textTo(f font, size, x, y float64, words string) {
	d.text(f, size, x-width(words, size), y, words)
}

func (d *document) line(fromX, fromY, toX, toY float64) {
	fmt.Fprintf(d.page(), "0.5 w %.2f %.2f m %.2f %.2f l S\n", fromX, fromY, toX, toY)
}

// winAnsi is text in the fonts' encoding (annex D.2), which has Latin letters and some signs; others become '?'.
func winAnsi(text string) []byte {
	var out []byte
	for _, r := range text {
		switch {
		case r >= ' ' && r <= '~' || r >= 0xA0 && r <= 0xFF:
			out = append(out, byte(r))
		case r == '€':
			out = append(out, 0x80)
		case r == '–':
			out = append(out, 0x96)
		case r == '’':
			out = append(out, 0x92)
		default:
			out = append(out, '?')
		}
	}
	return out
}

// literal is a string object, 7.3.4.2.
func literal(text []byte) string {
	out := []byte{'('}
	for _, c := range text {
		if c == '(' || c == ')' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(append(out, ')'))
}

// writer numbers objects and keeps where each begins, for the table at the end of the file (7.5.4).
type writer struct {
	bytes.Buffer
	offsets []int
}

func (w *writer) object(format string, arguments ...any) {
	w.offsets = append(w.offsets, w.Len())
	fmt.Fprintf(w, "%d 0 obj\n", len(w.offsets))
	fmt.Fprintf(w, format, arguments...)
	w.WriteString("\nendobj\n")
}

func (w *writer) stream(content []byte) {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write(content) // Into memory: cannot fail, nor can Close.
	z.Close()
	w.object("<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream", packed.Len(), packed.Bytes())
}

func (w *writer) table(root, information int) {
	start := w.Len()
	// Each entry has 20 bytes, its end of line included.
	fmt.Fprintf(w, "xref\n0 %d\n0000000000 65535 f \n", len(w.offsets)+1)
	for _, offset := range w.offsets {
		fmt.Fprintf(w, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(w, "trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n",
		len(w.offsets)+1, root, information, start)
}

// bytes is the file.
func (d *document) bytes() []byte {
	// The numbers of objects: these, and from the first page on two of each page.
	const catalog, tree, information, firstFont, firstPage = 1, 2, 3, 4, 6
	var w writer
	// Bytes above 127 tell programs that this is not text, 7.5.2.
	w.WriteString("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")
	w.object("<< /Type /Catalog /Pages %d 0 R >>", tree)
	var kids bytes.Buffer
	for i := range d.pages {
		fmt.Fprintf(&kids, "%d 0 R ", firstPage+2*i)
	}
	w.object("<< /Type /Pages /Count %d /Kids [ %s] >>", len(d.pages), kids.Bytes())
	w.object("<< /Title %s /Producer (wasmoor's example) >>", literal(winAnsi(d.title)))
	for _, name := range []string{"Helvetica", "Helvetica-Bold"} {
		w.object("<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>", name)
	}
	for i, content := range d.pages {
		w.object("<< /Type /Page /Parent %d 0 R /MediaBox [ 0 0 %d %d ] /Contents %d 0 R\n"+
			"/Resources << /Font << /F0 %d 0 R /F1 %d 0 R >> >> >>",
			tree, pageWidth, pageHeight, firstPage+2*i+1, firstFont, firstFont+1)
		w.stream(content.Bytes())
	}
	w.table(catalog, information)
	return w.Bytes()
}

// How wide the characters from ' ' to '~' are in Helvetica, in thousandths of the font's size. Digits, which are all
// that is set flush right in bold, are as wide in both fonts.
var widths = [...]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

func width(text string, size float64) float64 {
	sum := 0
	for _, c := range winAnsi(text) {
		if c >= ' ' && c <= '~' {
			sum += widths[c-' ']
		} else {
			sum += widths['n'-' ']
		}
	}
	return float64(sum) * size / 1000
}
