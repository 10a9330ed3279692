package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "test.Peer"

type function func(ctx context.Context, payload []byte) ([]byte, error)

// As in ../peer.proto, where messages have the form of BytesValue.
var functions = map[string]function{
	"Echo": func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil },
	"Fail": func(_ context.Context, payload []byte) ([]byte, error) {
		return nil, status.Error(codes.NotFound, string(payload))
	},
	"Sleep": func(ctx context.Context, payload []byte) ([]byte, error) {
		duration, err := time.ParseDuration(string(payload))
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(duration):
			return payload, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	},
	"Big": func(_ context.Context, payload []byte) ([]byte, error) {
		size, err := strconv.Atoi(string(payload))
		return []byte(strings.Repeat("b", size)), err
	},
	"Meta": func(ctx context.Context, payload []byte) ([]byte, error) {
		metadata, _ := ttrpc.GetMetadata(ctx)
		return []byte(strings.Join(metadata[string(payload)], ",")), nil
	},
	"Deadline": func(ctx context.Context, _ []byte) ([]byte, error) {
		deadline, ok := ctx.Deadline()
		if !ok {
			return []byte("none"), nil
		}
		return []byte(strconv.FormatInt(int64(time.Until(deadline)/time.Millisecond), 10)), nil
	},
}

func serve(path string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	methods := map[string]ttrpc.Method{}
	for name, function := range functions {
		methods[name] = func(ctx context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request wrapperspb.BytesValue
			if err := unmarshal(&request); err != nil {
				return nil, err
			}
			answer, err := function(ctx, request.Value)
			if err != nil {
				return nil, err
			}
			return wrapperspb.Bytes(answer), nil
		}
	}
	server.RegisterService(service, &ttrpc.ServiceDesc{Methods: methods})
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	return server.Serve(context.Background(), listener)
}
