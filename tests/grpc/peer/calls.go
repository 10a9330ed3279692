package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Messages are bytes.
type bytesCodec struct{}

func (bytesCodec) Name() string                  { return "bytes" }
func (bytesCodec) Marshal(v any) ([]byte, error) { return []byte(*v.(*string)), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*string) = string(data)
	return nil
}

var _ encoding.Codec = bytesCodec{}

func ask(ctx context.Context, conn *grpc.ClientConn, method, message string, options ...grpc.CallOption) (string, error) {
	var answer string
	err := conn.Invoke(ctx, "/test.Service/"+method, &message, &answer,
		append(options, grpc.ForceCodec(bytesCodec{}))...)
	return answer, err
}

func expect(ctx context.Context, conn *grpc.ClientConn, method, message, expected string) error {
	answer, err := ask(ctx, conn, method, message)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if answer != expected {
		return fmt.Errorf("%s answered %.40q, not %.40q", method, answer, expected)
	}
	return nil
}

func expectCode(ctx context.Context, conn *grpc.ClientConn, err error, code codes.Code, text string) error {
	if status.Code(err) != code || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("got %v, not %v with %q in it", err, code, text)
	}
	// A call that failed takes nothing else with it.
	return expect(ctx, conn, "Echo", "after", "after")
}

func init() {
	tests["echo"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		for _, size := range []int{0, 1, 16384, 65535, 65536, 1 << 20, 4 << 20} {
			message := strings.Repeat("x", size)
			if err := expect(ctx, conn, "Echo", message, message); err != nil {
				return fmt.Errorf("%d bytes: %w", size, err)
			}
		}
		return nil
	}
	tests["error"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		const text = "50% of \"café\"\nis not there"
		_, err := ask(ctx, conn, "Fail", text)
		if status.Convert(err).Message() != text {
			return fmt.Errorf("the text of %q became %q", text, status.Convert(err).Message())
		}
		return expectCode(ctx, conn, err, codes.NotFound, "")
	}
	tests["unimplemented"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := ask(ctx, conn, "Fly", "")
		return expectCode(ctx, conn, err, codes.Unimplemented, "Fly")
	}
	tests["compressed"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := ask(ctx, conn, "Echo", strings.Repeat("x", 1000), grpc.UseCompressor(gzip.Name))
		return expectCode(ctx, conn, err, codes.Unimplemented, "compressed")
	}
	tests["oversized"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := ask(ctx, conn, "Echo", strings.Repeat("x", 4<<20+1))
		return expectCode(ctx, conn, err, codes.ResourceExhausted, "4194305 bytes")
	}
	tests["metadata"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		ctx = metadata.AppendToOutgoingContext(ctx, "containerd-namespace", "k8s.io")
		return expect(ctx, conn, "Meta", "containerd-namespace", "k8s.io")
	}
	tests["deadline"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err := ask(short, conn, "Keep", "")
		return expectCode(ctx, conn, err, codes.DeadlineExceeded, "")
	}
	tests["cancel"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		mine, cancel := context.WithCancel(ctx)
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := ask(mine, conn, "Keep", "")
		return expectCode(ctx, conn, err, codes.Canceled, "")
	}
	// More than the hundred that servers allow as a rule.
	tests["wait"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		var waiting sync.WaitGroup
		failures := make([]error, 3000)
		for i := range failures {
			waiting.Add(1)
			go func() {
				defer waiting.Done()
				message := fmt.Sprint(i)
				failures[i] = expect(ctx, conn, "Keep", message, "for "+message)
			}()
		}
		waiting.Wait()
		return errors.Join(failures...)
	}
	tests["goodbye"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := ask(ctx, conn, "Keep", "stop")
		if status.Code(err) != codes.Unavailable {
			return fmt.Errorf("got %v, not %v", err, codes.Unavailable)
		}
		return nil
	}
}
