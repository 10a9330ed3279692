package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	bootstrap "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

const managerService = "runwasi.services.sandbox.v1.Manager"

// manager asks a node's daemon for sandboxes, as its shim does, which is then not started for each. All tasks share the
// connection.
type manager struct {
	client *ttrpc.Client
}

func dialManager(path string) (*manager, error) {
	socket, err := net.DialTimeout("unix", path, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &manager{client: ttrpc.NewClient(socket)}, nil
}

// create is the service's call of this name; its messages are texts with numbers.
func (m *manager) create(p *program, b *bundle, timeout time.Duration) (*bootstrap.BootstrapResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var text []byte
	for at, value := range []string{p.namespace, b.id, p.daemon.ttrpcAddress, b.path, p.daemon.grpcAddress} {
		text = protowire.AppendTag(text, protowire.Number(at+1), protowire.BytesType)
		text = protowire.AppendString(text, value)
	}
	request, response := &emptypb.Empty{}, &emptypb.Empty{}
	request.ProtoReflect().SetUnknown(text)
	if err := m.client.Call(ctx, managerService, "Create", request, response); err != nil {
		return nil, fmt.Errorf("create the sandbox: %w", err)
	}
	answer := []byte(response.ProtoReflect().GetUnknown())
	number, kind, length := protowire.ConsumeTag(answer)
	if length < 0 || number != 1 || kind != protowire.BytesType {
		return nil, errors.New("create the sandbox: the answer has no path")
	}
	path, length := protowire.ConsumeString(answer[length:])
	if length < 0 {
		return nil, errors.New("create the sandbox: the answer's path is cut")
	}
	return &bootstrap.BootstrapResult{Version: 3, Address: "unix://" + path, Protocol: "ttrpc"}, nil
}
