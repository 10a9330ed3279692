// Plays containerd to a shim, or is a client of a real one, and reports how fast tasks are and what failed.
//
//	player play [OPTION...] --shim PATH --rootfs FOLDER -- WORD...
//	player client [OPTION...] --runtime NAME --image NAME [-- WORD...]
//
// The report is one line of JSON. The status is 0 if nothing failed, all events came, each in its place, and nothing is
// left mounted.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What both verbs print.
type report struct {
	Tasks    int                `json:"tasks"`
	Parallel int                `json:"parallel"`
	Wall     int64              `json:"wall_ns"`
	Rate     float64            `json:"tasks_per_second"`
	Failed   int                `json:"failed"`
	Failures []string           `json:"failures"`
	CutShort int                `json:"cut_short"`
	Mounted  int                `json:"left_mounted"`
	Disorder int                `json:"tasks_with_wrong_events"`
	Wrong    []string           `json:"wrong_events"`
	OwnCPU   int64              `json:"own_cpu_ns"` // Of this program, from its start.
	Times    map[string]summary `json:"times"`
}

func (r *report) print() error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if r.Failed > 0 || r.Disorder > 0 || r.Mounted > 0 {
		return fmt.Errorf("%d failures, %d tasks with other events than they must have, %d left mounted", r.Failed,
			r.Disorder, r.Mounted)
	}
	return nil
}

func newReport(tasks, parallel int, took time.Duration, times *times) *report {
	rate := 0.0
	if took > 0 {
		rate = float64(tasks) / took.Seconds()
	}
	return &report{Tasks: tasks, Parallel: parallel, Wall: int64(took), Rate: rate, OwnCPU: ownCPU(),
		Times: times.summaries()}
}

// ownCPU is what this program has taken so far, in nanoseconds.
func ownCPU() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// An option that may be given more than once.
type list []string

func (l *list) String() string         { return strings.Join(*l, " ") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func play(arguments []string) error {
	p := &player{times: newTimes()}
	program := &program{log: io.Discard}
	p.program = program
	var annotations, environment list
	flags := flag.NewFlagSet("play", flag.ExitOnError)
	flags.StringVar(&program.path, "shim", "", "the shim's executable")
	flags.StringVar(&program.namespace, "namespace", "player", "containerd's namespace")
	flags.BoolVar(&program.debug, "debug", false, "pass -debug, and show what shims log")
	flags.StringVar(&p.root, "root", "", "where the snapshots are, as in containerd's root; a temporary folder")
	flags.StringVar(&p.state, "state", "", "where bundles, FIFOs and sockets are; a temporary folder in /run, as containerd's")
	flags.StringVar(&p.image.rootfs, "rootfs", "", "a folder that containers have as their files")
	flags.StringVar(&p.image.kind, "rootfs-kind", "overlay", "how it is mounted: overlay, bind, none")
	flags.StringVar(&p.image.cgroups, "cgroups", "player", "the control group above those of containers")
	flags.StringVar(&p.image.network, "network", "", "path of a network namespace; the host's")
	flags.Int64Var(&p.image.memory, "memory", 0, "limit in bytes")
	flags.Int64Var(&p.image.millicores, "millicores", 0, "limit of CPU time")
	flags.Uint64Var(&p.image.shares, "cpu-shares", 0, "weight of CPU time; none is given")
	flags.Var(&environment, "env", "NAME=VALUE for containers")
	flags.Var(&annotations, "annotation", "NAME=VALUE for containers")
	flags.StringVar(&p.expected.text, "expect", "", "what tasks print, among other things")
	flags.IntVar(&p.expected.status, "status", 0, "the status with which tasks end")
	flags.DurationVar(&p.timeout, "timeout", time.Minute, "of an RPC, and of a task")
	flags.BoolVar(&p.startEach, "start-each", false, "call the shim's start for every container of the pod")
	flags.BoolVar(&p.bare, "bare", false, "make no calls but Create, Start, Wait, Delete and Shutdown")
	flags.BoolVar(&p.silent, "silent", false, "give tasks no streams, of which thousands are too many for this process")
	flags.BoolVar(&p.hold, "hold", false, "tell `held` once all have started, end them when stdin closes")
	flags.StringVar(&p.kill, "kill", "", "shim or task: SIGKILL it at a random moment")
	flags.DurationVar(&p.within, "within", 20*time.Millisecond, "after its start, or after that of its shim, at most")
	managerPath := flags.String("manager", "", "socket of a node's daemon that is asked for sandboxes; --shim is its shim, for what is left over")
	pause := flags.String("pause", "", "words of a pod's sandbox: all tasks are in its shim, not each in one of its own")
	tasks := flags.Int("tasks", 1, "how many")
	parallel := flags.Int("parallel", 1, "how many at once")
	flags.Parse(arguments)
	if program.path == "" || flags.NArg() == 0 {
		return fmt.Errorf("--shim and a command after -- are needed")
	}
	if p.kill == "shim" && *pause != "" {
		return fmt.Errorf("--kill shim is for tasks with a shim each, without --pause")
	}
	if program.debug {
		program.log = os.Stderr
	}
	var err error
	if *managerPath != "" {
		if p.manager, err = dialManager(*managerPath); err != nil {
			return err
		}
	}
	p.image.environment = environment
	if p.image.annotations, err = pairs(annotations); err != nil {
		return err
	}
	return p.report(*tasks, *parallel, strings.Fields(*pause), flags.Args())
}

func (p *player) report(tasks, parallel int, pause, words []string) error {
	var err error
	if p.program.path, err = filepath.EvalSymlinks(p.program.path); err != nil {
		return err
	}
	if p.program.path, err = filepath.Abs(p.program.path); err != nil {
		return err
	}
	for parent, folder := range map[string]*string{os.TempDir(): &p.root, "/run": &p.state} {
		if *folder == "" {
			if *folder, err = os.MkdirTemp(parent, "player-"); err != nil {
				return err
			}
			defer os.RemoveAll(*folder)
		}
	}
	if p.daemon, err = serve(p.state); err != nil {
		return err
	}
	defer p.daemon.close()
	p.program.daemon = p.daemon
	debug.SetGCPercent(400) // Of the memory that nobody counts here, for the CPU time that is the shim's.
	took, err := p.run(tasks, parallel, pause, words)
	if err != nil {
		return err
	}
	made := newReport(tasks, parallel, took, p.times)
	made.Failed, made.Failures = p.failed, p.failures
	made.CutShort, made.Mounted = p.cutShort, p.mounted
	made.Disorder, made.Wrong = len(p.disorder), p.disorder[:min(len(p.disorder), 10)]
	return made.print()
}

func main() {
	// What it takes of the machine, those that it measures do not have: goroutines that go back and forth between two
	// cores take half as much again.
	runtime.GOMAXPROCS(1)
	verbs := map[string]func([]string) error{"play": play, "client": use}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: player play|client [OPTION...] [-- WORD...]; --help after either says more")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "player:", err)
		os.Exit(1)
	}
}
