package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	bootstrap "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/fifo"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// A shim's executable, called as containerd 2.4 calls it (core/runtime/v2/command.go).
type program struct {
	path      string
	namespace string
	daemon    *daemon
	debug     bool
	log       io.Writer // Gets what shims write to their log.
}

func (p *program) command(action string, b *bundle, flags ...string) *exec.Cmd {
	words := []string{"-namespace", p.namespace, "-address", p.daemon.grpcAddress, "-publish-binary", os.Args[0],
		"-id", b.id}
	if p.debug {
		words = append(words, "-debug")
	}
	command := exec.Command(p.path, append(append(words, flags...), action)...)
	command.Dir = b.path
	command.Env = append(os.Environ(), "GOMAXPROCS=2", "MAX_SHIM_VERSION=2",
		"TTRPC_ADDRESS="+p.daemon.ttrpcAddress, "GRPC_ADDRESS="+p.daemon.grpcAddress, "NAMESPACE="+p.namespace)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// start runs the command of this name, and says where its server is.
func (p *program) start(ctx context.Context, b *bundle) (*bootstrap.BootstrapResult, error) {
	if err := p.followLog(ctx, b); err != nil {
		return nil, err
	}
	level := bootstrap.LogLevelFromString("info")
	if p.debug {
		level = bootstrap.LogLevelFromString("debug")
	}
	input, err := proto.Marshal(&bootstrap.BootstrapParams{
		InstanceID: b.id, Namespace: p.namespace, LogLevel: level, ContainerdVersion: "2.4.2",
		ContainerdGrpcAddress: p.daemon.grpcAddress, ContainerdTtrpcAddress: p.daemon.ttrpcAddress,
		ContainerdBinary: os.Args[0],
	})
	if err != nil {
		return nil, err
	}
	command := p.command("start", b)
	command.Stdin = bytes.NewReader(input)
	output, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s start: %w: %s", p.path, err, output)
	}
	return parseStart(output)
}

// followLog reads the FIFO that shims log to; nothing waits for one that does not open it.
func (p *program) followLog(ctx context.Context, b *bundle) error {
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_NONBLOCK
	log, err := fifo.OpenFifo(ctx, filepath.Join(b.path, "log"), flags, 0o700)
	if err != nil {
		return err
	}
	go func() {
		defer log.Close()
		io.Copy(p.log, log)
	}()
	return nil
}

// parseStart reads the three kinds of answers there are: protobuf, JSON and a plain address.
func parseStart(output []byte) (*bootstrap.BootstrapResult, error) {
	result := &bootstrap.BootstrapResult{}
	if proto.Unmarshal(output, result) == nil && result.Address != "" {
		return result, nil
	}
	output = bytes.TrimSpace(output)
	result = &bootstrap.BootstrapResult{}
	if json.Unmarshal(output, result) != nil || result.Version < 2 {
		result = &bootstrap.BootstrapResult{Version: 2, Address: string(output), Protocol: "ttrpc"}
	}
	if result.Version > 3 || !strings.EqualFold(result.Protocol, "ttrpc") {
		return nil, fmt.Errorf("start answered version %d and protocol %q", result.Version, result.Protocol)
	}
	return result, nil
}

// delete runs the command that removes what a dead shim has left.
func (p *program) delete(b *bundle) (*task.DeleteResponse, error) {
	command := p.command("delete", b, "-bundle", b.path)
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s delete: %w: %s", p.path, err, complaints.Bytes())
	}
	response := &task.DeleteResponse{}
	return response, proto.Unmarshal(output.Bytes(), response)
}

// server is the process that serves a bundle's task, or 0: the first of those whose command line is the shim's. (Whoever
// made the socket, which SO_PEERCRED would tell, is the process of `start`; what the executable is, /proc does not tell of
// one that has protected its file.)
func (p *program) server(b *bundle) int {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	first := 0
	for _, command := range commands {
		words, err := os.ReadFile(command)
		if err != nil || !bytes.Contains(words, []byte("\x00-id\x00"+b.id+"\x00")) {
			continue
		}
		name, _, _ := bytes.Cut(words, []byte{0})
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(command)))
		if filepath.Base(string(name)) == filepath.Base(p.path) && (first == 0 || pid < first) {
			first = pid
		}
	}
	return first
}

// A connection to a shim's server, and how long its calls took.
type connection struct {
	client  *ttrpc.Client
	service string
	times   *times
	timeout time.Duration
	closed  chan struct{}
}

func connect(where *bootstrap.BootstrapResult, times *times, timeout time.Duration) (*connection, error) {
	begin := time.Now()
	socket, err := net.DialTimeout("unix", strings.TrimPrefix(where.Address, "unix://"), 10*time.Second)
	if err != nil {
		return nil, err
	}
	times.add("dial", time.Since(begin))
	c := &connection{
		service: fmt.Sprintf("containerd.task.v%d.Task", where.Version),
		times:   times, timeout: timeout, closed: make(chan struct{}),
	}
	c.client = ttrpc.NewClient(socket, ttrpc.WithOnClose(func() { close(c.closed) }))
	return c, nil
}

// call is one RPC; its time counts whether or not it succeeds. Wait has no deadline.
func (c *connection) call(method string, request, response proto.Message) error {
	ctx := context.Background()
	if method != "Wait" {
		bounded, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		ctx = bounded
	}
	begin := time.Now()
	err := c.client.Call(ctx, c.service, method, request, response)
	if method != "Wait" {
		c.times.add(strings.ToLower(method), time.Since(begin))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// shutdown is called after every delete: a shim with nothing left to serve goes, any other stays.
func (c *connection) shutdown(id string) error {
	err := c.call("Shutdown", &task.ShutdownRequest{ID: id}, &emptypb.Empty{})
	if err != nil && !errors.Is(err, ttrpc.ErrClosed) {
		return err
	}
	return nil
}

func (c *connection) close() {
	c.client.Close()
}
