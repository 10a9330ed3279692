package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	eventsapi "github.com/containerd/containerd/api/events"
	ttrpcevents "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// What a shim sees of containerd: the ttrpc service that takes its events, and a gRPC socket on which no service is.
type daemon struct {
	grpcAddress  string
	ttrpcAddress string
	ttrpc        *ttrpc.Server
	grpc         *grpc.Server

	lock   sync.Mutex
	topics map[string][]string // By id of the task, in the order they came.
}

func serve(dir string) (*daemon, error) {
	d := &daemon{
		grpcAddress:  filepath.Join(dir, "containerd.sock"),
		ttrpcAddress: filepath.Join(dir, "containerd.sock.ttrpc"),
		grpc:         grpc.NewServer(),
		topics:       map[string][]string{},
	}
	server, err := ttrpc.NewServer()
	if err != nil {
		return nil, err
	}
	d.ttrpc = server
	ttrpcevents.RegisterTTRPCEventsService(server, d)
	for address, serve := range map[string]func(net.Listener) error{
		d.grpcAddress:  d.grpc.Serve,
		d.ttrpcAddress: func(l net.Listener) error { return server.Serve(context.Background(), l) },
	} {
		os.Remove(address)
		listener, err := net.Listen("unix", address)
		if err != nil {
			return nil, err
		}
		go serve(listener)
	}
	return d, nil
}

func (d *daemon) close() {
	d.grpc.Stop()
	d.ttrpc.Close()
}

// Every event of a task has its id as field 1 under this name.
type ofTask interface{ GetContainerID() string }

// Forward is the method that shims call.
func (d *daemon) Forward(_ context.Context, request *ttrpcevents.ForwardRequest) (*emptypb.Empty, error) {
	envelope := request.GetEnvelope()
	event, err := envelope.GetEvent().UnmarshalNew()
	if err != nil {
		return nil, err
	}
	if task, ok := event.(ofTask); ok {
		d.lock.Lock()
		defer d.lock.Unlock()
		name := envelope.GetTopic()
		if exit, ok := event.(*eventsapi.TaskExit); ok && exit.ID != exit.ContainerID {
			name += "(exec)"
		}
		d.topics[task.GetContainerID()] = append(d.topics[task.GetContainerID()], name)
	}
	return &emptypb.Empty{}, nil
}

func (d *daemon) topicsOf(id string) []string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return append([]string(nil), d.topics[id]...)
}

// waitForTopics waits until a task has had `count` events, or for a moment.
func (d *daemon) waitForTopics(id string, count int, until time.Time) []string {
	for {
		found := d.topicsOf(id)
		if len(found) >= count || time.Now().After(until) {
			return found
		}
		time.Sleep(5 * time.Millisecond)
	}
}
