package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/platforms"
)

// user runs containers with a containerd, as many at once as it is told, in the calls that `ctr run --rm` makes.
type user struct {
	client   *client.Client
	image    client.Image
	runtime  string
	words    []string
	expected expectation
	cgroups  string
	times    *times

	lock     sync.Mutex
	failures []string
	failed   int
}

func (u *user) fail(id string, err error) {
	u.lock.Lock()
	defer u.lock.Unlock()
	u.failed++
	if len(u.failures) < 10 {
		u.failures = append(u.failures, id+": "+err.Error())
	}
}

// timed adds the time of one step.
func (u *user) timed(name string, step func() error) error {
	begin := time.Now()
	err := step()
	u.times.add(name, time.Since(begin))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (u *user) run(ctx context.Context, id string) (failure error) {
	begin := time.Now()
	defer func() { u.times.add("task", time.Since(begin)) }()
	spec := []oci.SpecOpts{oci.WithImageConfigArgs(u.image, nil), oci.WithCgroup("/" + u.cgroups + "/" + id)}
	if len(u.words) > 0 {
		spec = append(spec, oci.WithProcessArgs(u.words...))
	}
	var container client.Container
	err := u.timed("container", func() (err error) {
		container, err = u.client.NewContainer(ctx, id, client.WithImage(u.image), client.WithRuntime(u.runtime, nil),
			client.WithNewSnapshot(id, u.image), client.WithNewSpec(spec...))
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		err := u.timed("remove", func() error { return container.Delete(ctx, client.WithSnapshotCleanup) })
		failure = errors.Join(failure, err)
	}()
	var output strings.Builder
	var task client.Task
	err = u.timed("create", func() (err error) {
		task, err = container.NewTask(ctx, cio.NewCreator(cio.WithStreams(nil, &output, &output)))
		return err
	})
	if err != nil {
		return err
	}
	status, err := u.untilExit(ctx, task)
	err = errors.Join(err, u.timed("delete", func() error {
		_, err := task.Delete(ctx, client.WithProcessKill)
		return err
	}))
	if err != nil {
		return err
	}
	if status != uint32(u.expected.status) || !strings.Contains(output.String(), u.expected.text) {
		return fmt.Errorf("status %d, output %q", status, output.String())
	}
	return nil
}

func (u *user) untilExit(ctx context.Context, task client.Task) (uint32, error) {
	ended, err := task.Wait(ctx)
	if err != nil {
		return 0, err
	}
	if err := u.timed("start", func() error { return task.Start(ctx) }); err != nil {
		return 0, err
	}
	select {
	case exit := <-ended:
		return exit.ExitCode(), exit.Error()
	case <-time.After(time.Minute):
		return 0, errors.New("the task does not end")
	}
}

func use(arguments []string) error {
	u := &user{times: newTimes()}
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	address := flags.String("address", "/run/containerd/containerd.sock", "containerd's socket")
	namespace := flags.String("namespace", "player", "containerd's namespace")
	image := flags.String("image", "", "an image that containerd has unpacked")
	platform := flags.String("platform", "", "of the image; this machine's")
	tasks := flags.Int("tasks", 1, "how many")
	parallel := flags.Int("parallel", 1, "how many at once")
	flags.StringVar(&u.runtime, "runtime", "io.containerd.runc.v2", "the runtime's name")
	flags.StringVar(&u.cgroups, "cgroups", "player", "the control group above those of containers")
	flags.StringVar(&u.expected.text, "expect", "", "what tasks print, among other things")
	flags.IntVar(&u.expected.status, "status", 0, "the status with which tasks end")
	flags.Parse(arguments)
	u.words = flags.Args()
	options := []client.Opt{}
	if *platform != "" {
		wanted, err := platforms.Parse(*platform)
		if err != nil {
			return err
		}
		options = append(options, client.WithDefaultPlatform(platforms.Only(wanted)))
	}
	var err error
	if u.client, err = client.New(*address, options...); err != nil {
		return err
	}
	defer u.client.Close()
	ctx := namespaces.WithNamespace(context.Background(), *namespace)
	if u.image, err = u.client.GetImage(ctx, *image); err != nil {
		return err
	}
	made := u.all(ctx, *tasks, *parallel)
	return made.print()
}

func (u *user) all(ctx context.Context, tasks, parallel int) *report {
	names := make([]string, tasks)
	for at := range names {
		names[at] = fmt.Sprintf("client-%d-%d", os.Getpid(), at)
	}
	begin := time.Now()
	each(names, parallel, func(name string) {
		if err := u.run(ctx, name); err != nil {
			u.fail(name, err)
		}
	})
	made := newReport(tasks, parallel, time.Since(begin), u.times)
	made.Failed, made.Failures = u.failed, u.failures
	return made
}
