package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	bootstrap "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/fifo"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/emptypb"
)

const patience = 10 * time.Second // For what must soon be: an event, a shim that has nothing more to do.

// One container's task, from its bundle to its end, in the calls that containerd 2.4 and its client make for it.
type life struct {
	player *player
	id     string
	pod    string // Its sandbox's id; empty: it is alone in its shim.
	words  []string
	times  *times

	bundle *bundle
	mounts []*types.Mount
	shim   *connection
	pid    uint32
	output *output
	ended  chan error // Once Wait has answered.
	exit   task.WaitResponse
	made   time.Time // When Create was called.
	begun  time.Time // When Start was.
}

// What a task writes, read as containerd's client reads it.
type output struct {
	folder         string
	stdin          io.Closer
	stdout, stderr strings.Builder
	readers        sync.WaitGroup
	first          chan struct{} // Closed at the first byte.
	once           sync.Once
}

func (o *output) path(name string) string {
	return filepath.Join(o.folder, name)
}

func openOutput(folder string) (*output, error) {
	o := &output{folder: folder, first: make(chan struct{})}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	stdin, err := fifo.OpenFifo(context.Background(), o.path("stdin"),
		unix.O_WRONLY|unix.O_CREAT|unix.O_NONBLOCK, 0o700)
	if err != nil {
		return nil, err
	}
	o.stdin = stdin
	for name, into := range map[string]*strings.Builder{"stdout": &o.stdout, "stderr": &o.stderr} {
		from, err := fifo.OpenFifo(context.Background(), o.path(name),
			unix.O_RDONLY|unix.O_CREAT|unix.O_NONBLOCK, 0o700)
		if err != nil {
			return nil, err
		}
		o.readers.Add(1)
		go o.read(from, into)
	}
	return o, nil
}

func (o *output) read(from io.ReadCloser, into *strings.Builder) {
	defer o.readers.Done()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		count, err := from.Read(buffer)
		into.Write(buffer[:count])
		if count > 0 {
			o.once.Do(func() { close(o.first) })
		}
		if err != nil {
			return
		}
	}
}

// wait returns once all writers are gone.
func (o *output) wait(limit time.Duration) error {
	done := make(chan struct{})
	go func() { o.readers.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return errors.New("the task has ended, but its output stays open")
	}
}

// prepare makes the bundle.
func (l *life) prepare() error {
	spec, err := l.player.image.spec(l.player.program.namespace, l.id, l.pod, l.words)
	if err != nil {
		return err
	}
	if l.mounts, err = l.player.image.mounts(filepath.Join(l.player.root, "snapshots", l.id)); err != nil {
		return err
	}
	l.bundle, err = makeBundle(l.player.root, l.player.state, l.player.program.namespace, l.id, spec)
	return err
}

// open opens the ends of the task's streams that are containerd's client's.
func (l *life) open() (err error) {
	if l.player.silent {
		l.output = &output{}
		return nil
	}
	l.output, err = openOutput(filepath.Join(l.player.state, "fifo", l.id))
	return err
}

// attach connects to the shim that is `where`, or to one that it starts.
func (l *life) attach(where *bootstrap.BootstrapResult) (*bootstrap.BootstrapResult, error) {
	var err error
	if where == nil || l.player.startEach {
		begin := time.Now()
		if manager := l.player.manager; manager != nil {
			where, err = manager.create(l.player.program, l.bundle, l.player.timeout)
		} else {
			where, err = l.player.program.start(context.Background(), l.bundle)
		}
		if err != nil {
			return nil, err
		}
		l.player.times.add("start-shim", time.Since(begin))
	}
	l.shim, err = connect(where, l.times, l.player.timeout)
	return where, err
}

func (l *life) start() error {
	l.made = time.Now()
	request := &task.CreateTaskRequest{ID: l.id, Bundle: l.bundle.path, Rootfs: l.mounts}
	if !l.player.silent {
		request.Stdin, request.Stdout = l.output.path("stdin"), l.output.path("stdout")
		request.Stderr = l.output.path("stderr")
	}
	err := l.shim.call("Create", request, &task.CreateTaskResponse{})
	if err != nil {
		return err
	}
	if !l.player.bare {
		connected := &task.ConnectResponse{}
		if err := l.shim.call("Connect", &task.ConnectRequest{ID: l.id}, connected); err != nil {
			return err
		}
		l.pid = connected.TaskPid
	}
	l.ended = make(chan error, 1)
	go func() { l.ended <- l.shim.call("Wait", &task.WaitRequest{ID: l.id}, &l.exit) }()
	l.begun = time.Now()
	if err := l.shim.call("Start", &task.StartRequest{ID: l.id}, &task.StartResponse{}); err != nil {
		return err
	}
	l.player.started(l)
	if l.player.bare {
		return nil
	}
	return l.state()
}

func (l *life) state() error {
	return l.shim.call("State", &task.StateRequest{ID: l.id}, &task.StateResponse{})
}

// finish waits for the task's end, and removes it.
func (l *life) finish() error {
	select {
	case err := <-l.ended:
		if err != nil {
			return err
		}
	case <-l.shim.closed:
		return errors.New("the shim has closed its connection under a running task")
	case <-time.After(l.player.timeout):
		return errors.New("the task does not end")
	}
	l.times.add("run", time.Since(l.begun))
	if !l.player.bare {
		if err := l.state(); err != nil {
			return err
		}
	}
	if err := l.output.wait(l.player.timeout); err != nil {
		return err
	}
	deleted := &task.DeleteResponse{}
	if err := l.shim.call("Delete", &task.DeleteRequest{ID: l.id}, deleted); err != nil {
		return err
	}
	if err := l.shim.shutdown(l.id); err != nil {
		return err
	}
	if deleted.ExitStatus != l.exit.ExitStatus {
		return fmt.Errorf("Wait said status %d, Delete %d", l.exit.ExitStatus, deleted.ExitStatus)
	}
	return nil
}

// release closes what containerd has of a task. Of a shim of its own it waits for the end.
func (l *life) release() error {
	var problems []error
	if l.shim != nil {
		// A daemon stays, and leaves it to containerd to hang up.
		if l.player.manager == nil && (l.pod == "" || l.pod == l.id) {
			select {
			case <-l.shim.closed:
			case <-time.After(patience):
				problems = append(problems, errors.New("the shim stays, with nothing to serve"))
			}
		}
		l.shim.close()
	}
	if l.output != nil && l.output.stdin != nil {
		l.output.stdin.Close()
	}
	if l.bundle != nil && l.bundle.unmount() {
		l.player.leftMounted()
	}
	return errors.Join(problems...)
}

// remove removes a task's files.
func (l *life) remove() error {
	if l.output != nil && l.output.folder != "" {
		os.RemoveAll(l.output.folder)
	}
	if l.bundle == nil {
		return nil
	}
	return l.bundle.remove()
}

// check says what is wrong with a task that has been deleted.
func (l *life) check() error {
	expected := l.player.expected
	switch {
	case l.id == l.pod || l.player.hold || l.player.kill != "":
		return nil
	case l.exit.ExitStatus != uint32(expected.status):
		return fmt.Errorf("status %d; stderr: %q", l.exit.ExitStatus, l.output.stderr.String())
	case !strings.Contains(l.output.stdout.String(), expected.text):
		return fmt.Errorf("stdout is %q", l.output.stdout.String())
	}
	return nil
}

// checkEvents is for a task that has been deleted.
func (l *life) checkEvents(until time.Time) error {
	wanted := []string{"/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"}
	if got := l.player.daemon.waitForTopics(l.id, len(wanted), until); !slices.Equal(got, wanted) {
		return fmt.Errorf("its events were %v", got)
	}
	return nil
}

func (l *life) killTask() error {
	request := &task.KillRequest{ID: l.id, Signal: uint32(syscall.SIGKILL), All: true}
	return l.shim.call("Kill", request, &emptypb.Empty{})
}
