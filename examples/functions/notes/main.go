// Keeps notes in a directory: GET /notes/NAME answers with one, GET /notes with their names, and POST /notes/NAME with
// `Authorization: Bearer TOKEN` writes one. A function has no directory and no secret until the manifest beside it,
// notes.toml, grants them: here the directory /notes, and the token in the variable NOTES_TOKEN.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

const (
	directory = "/notes"
	largest   = 1 << 20 // Bytes of a note.
)

// No dot at the beginning: what begins with one is a note that is being written.
var isName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`).MatchString

// reply is an answer; one of text/plain.
type reply struct {
	status string
	body   []byte
}

func text(status, format string, arguments ...any) (reply, error) {
	return reply{status, []byte(fmt.Sprintf(format+"\n", arguments...))}, nil
}

func list() (reply, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return reply{}, err
	}
	var names strings.Builder
	for _, entry := range entries {
		if isName(entry.Name()) {
			names.WriteString(entry.Name() + "\n")
		}
	}
	return reply{"200 OK", []byte(names.String())}, nil
}

func read(name string) (reply, error) {
	body, err := os.ReadFile(directory + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return text("404 Not Found", "there is no note %s", name)
	}
	return reply{"200 OK", body}, err
}

// mayWrite compares digests, which have one length, so that the time that it takes tells nothing of the token.
func mayWrite() bool {
	token := os.Getenv("NOTES_TOKEN")
	given, found := strings.CutPrefix(os.Getenv("HTTP_AUTHORIZATION"), "Bearer ")
	one, other := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(given))
	return token != "" && found && subtle.ConstantTimeCompare(one[:], other[:]) == 1
}

// write replaces the note as a whole: whoever reads it meanwhile gets the one or the other.
func write(name string) (reply, error) {
	if !mayWrite() {
		return text("403 Forbidden", "Authorization: no 'Bearer' with the token of these notes")
	}
	body, err := io.ReadAll(io.LimitReader(os.Stdin, largest+1))
	if err != nil {
		return reply{}, err
	}
	if len(body) > largest {
		return text("413 Content Too Large", "a note has at most %d bytes", largest)
	}
	// Instances of other requests write beside this one.
	half, err := os.CreateTemp(directory, ".new-")
	if err != nil {
		return reply{}, err
	}
	defer os.Remove(half.Name())
	_, err = half.Write(body)
	if err = errors.Join(err, half.Close()); err != nil {
		return reply{}, err
	}
	if err := os.Rename(half.Name(), directory+"/"+name); err != nil {
		return reply{}, err
	}
	return text("201 Created", "wrote %d bytes", len(body))
}

func answer(method, path string) (reply, error) {
	name := strings.TrimPrefix(path, "/")
	isRead := method == "GET" || method == "HEAD"
	switch {
	case name == "" && isRead:
		return list()
	case !isName(name):
		return text("400 Bad Request", "a note's name has 1 to 64 letters, digits, '.', '_' and '-', and no '.' in front")
	case isRead:
		return read(name)
	case method == "POST" || method == "PUT":
		return write(name)
	}
	return text("405 Method Not Allowed", "GET or POST")
}

func main() {
	found, err := answer(os.Getenv("REQUEST_METHOD"), os.Getenv("PATH_INFO"))
	if err != nil {
		// To the operator's log; clients need not know where notes are kept.
		fmt.Fprintln(os.Stderr, "notes:", err)
		found, _ = text("500 Internal Server Error", "the notes cannot be reached")
	}
	out := bufio.NewWriter(os.Stdout)
	out.WriteString("Status: " + found.status + "\nContent-Type: text/plain; charset=utf-8\n")
	out.WriteString("X-Content-Type-Options: nosniff\n\n")
	out.Write(found.body)
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}
