package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const inAFrame = 4 << 20

// A client, with the answers it gets as bytes.
type caller struct{ *ttrpc.Client }

func (c caller) ask(ctx context.Context, method, payload string) (string, error) {
	var answer wrapperspb.BytesValue
	err := c.Call(ctx, service, method, wrapperspb.Bytes([]byte(payload)), &answer)
	return string(answer.Value), err
}

func (c caller) expect(ctx context.Context, method, payload, expected string) error {
	answer, err := c.ask(ctx, method, payload)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if answer != expected {
		return fmt.Errorf("%s answered %.40q, not %.40q", method, answer, expected)
	}
	return nil
}

func (c caller) expectCode(err error, code codes.Code, text string) error {
	if status.Code(err) != code || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("got %v, not %v with %q in it", err, code, text)
	}
	// A call that failed takes nothing else with it.
	return c.expect(context.Background(), "Echo", "after", "after")
}

var tests = map[string]func(ctx context.Context, c caller) error{
	"echo": func(ctx context.Context, c caller) error {
		return errors.Join(c.expect(ctx, "Echo", "hello", "hello"), c.expect(ctx, "Echo", "", ""))
	},
	"error": func(ctx context.Context, c caller) error {
		_, err := c.ask(ctx, "Fail", "task x: not found")
		return c.expectCode(err, codes.NotFound, "task x: not found")
	},
	"unimplemented": func(ctx context.Context, c caller) error {
		_, err := c.ask(ctx, "Fly", "")
		if err := c.expectCode(err, codes.Unimplemented, "Fly"); err != nil {
			return err
		}
		err = c.Call(ctx, "other.Service", "Echo", wrapperspb.Bytes(nil), &wrapperspb.BytesValue{})
		return c.expectCode(err, codes.Unimplemented, "other.Service")
	},
	"metadata": func(ctx context.Context, c caller) error {
		metadata := ttrpc.MD{}
		metadata.Set("traceparent", "00-1-2-01")
		metadata.Append("Other", "x", "y")
		return c.expect(ttrpc.WithMetadata(ctx, metadata), "Meta", "traceparent", "00-1-2-01")
	},
	"deadline": func(ctx context.Context, c caller) error {
		late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := c.ask(late, "Keep", ""); !errors.Is(err, context.DeadlineExceeded) {
			if err := c.expectCode(err, codes.DeadlineExceeded, ""); err != nil {
				return err
			}
		}
		return c.expect(ctx, "Echo", "after", "after")
	},
	"big": func(ctx context.Context, c caller) error {
		// With the heads of the fields around them: those of the message, of the payload, and names.
		payload := strings.Repeat("x", inAFrame-64)
		if err := c.expect(ctx, "Echo", payload, payload); err != nil {
			return err
		}
		_, err := c.ask(ctx, "Big", fmt.Sprint(inAFrame))
		return c.expectCode(err, codes.ResourceExhausted, "test.Peer/Big")
	},
	"concurrent": func(ctx context.Context, c caller) error {
		var group sync.WaitGroup
		failures := make([]error, 100)
		for i := range failures {
			group.Add(1)
			go func() {
				defer group.Done()
				for call := range 20 {
					payload := fmt.Sprintf("%d of %d: %s", call, i, strings.Repeat("x", i*call))
					failures[i] = errors.Join(failures[i], c.expect(ctx, "Echo", payload, payload))
				}
			}()
		}
		group.Wait()
		return errors.Join(failures...)
	},
	"order": func(ctx context.Context, c caller) error {
		answers := make(chan string, 10)
		for i := range cap(answers) {
			go func() {
				// The later the call, the sooner its answer.
				answer, err := c.ask(ctx, "Sleep", fmt.Sprintf("%dms", 500-50*i))
				if err != nil {
					answer = err.Error()
				}
				answers <- answer
			}()
		}
		first := <-answers
		for range cap(answers) - 1 {
			if answer := <-answers; !strings.HasSuffix(answer, "0ms") {
				return errors.New(answer)
			}
		}
		if first == "500ms" {
			return errors.New("the longest sleep was answered first")
		}
		return nil
	},
	"stream": func(ctx context.Context, c caller) error {
		for _, kind := range []ttrpc.StreamDesc{{StreamingClient: true}, {StreamingServer: true},
			{StreamingClient: true, StreamingServer: true}} {
			for _, method := range []string{"Stream", "Keep"} {
				if err := c.stream(ctx, &kind, method); err != nil {
					return fmt.Errorf("%s as %+v: %w", method, kind, err)
				}
			}
		}
		return c.expect(ctx, "Echo", "after", "after")
	},
}

// A stream where there is none: an error comes back, whatever is sent.
func (c caller) stream(ctx context.Context, kind *ttrpc.StreamDesc, method string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := c.NewStream(ctx, kind, service, method, wrapperspb.Bytes([]byte("first")))
	if err != nil {
		return err
	}
	if kind.StreamingClient {
		if err := stream.SendMsg(wrapperspb.Bytes(bytes.Repeat([]byte("x"), 1000))); err != nil {
			return err
		}
	} else if method == "Keep" {
		return nil // Asked right for a method that there is; it has no answer yet.
	}
	err = stream.RecvMsg(&wrapperspb.BytesValue{})
	if code := status.Code(err); code != codes.Unimplemented && code != codes.InvalidArgument {
		return fmt.Errorf("got %v, and no error of the server's", err)
	}
	return nil
}

func call(path, name string) error {
	test := tests[name]
	if test == nil {
		return fmt.Errorf("no test %q", name)
	}
	connection, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(connection)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	return test(ctx, caller{client})
}
