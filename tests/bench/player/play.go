package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	bootstrap "github.com/containerd/containerd/api/runtime/bootstrap/v1"
)

// What a task must do.
type expectation struct {
	text   string
	status int
}

// player plays containerd to one executable.
type player struct {
	root      string // Of snapshots.
	state     string // Of bundles, FIFOs and sockets.
	program   *program
	manager   *manager // Who is asked for sandboxes; nil: the shim is started for each.
	daemon    *daemon
	image     image
	times     *times
	timeout   time.Duration
	expected  expectation
	startEach bool          // Call `start` for each container, as for a shim of task API v2.
	bare      bool          // No calls but Create, Start, Wait, Delete and Shutdown.
	silent    bool          // Tasks have no streams.
	hold      bool          // Tasks run until stdin closes.
	kill      string        // "", "shim" or "task": SIGKILL for it at a random moment.
	within    time.Duration // Of the start.

	lock     sync.Mutex
	failures []string
	failed   int
	cutShort int      // Tasks whose shim was killed before they were deleted, as was asked for.
	mounted  int      // Tasks whose rootfs was still mounted after they were deleted.
	disorder []string // Tasks whose events were not what they must be, and what they were.
}

func (p *player) fail(id string, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.failed++
	if len(p.failures) < 10 {
		p.failures = append(p.failures, id+": "+err.Error())
	}
}

func (p *player) leftMounted() {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.mounted++
}

// each runs `work` for every task, `parallel` at any moment.
func each[Task any](tasks []Task, parallel int, work func(Task)) {
	queue := make(chan Task)
	var workers sync.WaitGroup
	for range parallel {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for one := range queue {
				work(one)
			}
		}()
	}
	for _, one := range tasks {
		queue <- one
	}
	close(queue)
	workers.Wait()
}

func (p *player) newLife(id, pod string, words []string) *life {
	return &life{player: p, id: id, pod: pod, words: words, times: p.times}
}

// begin is the life of a task that is prepared until it has started.
func (p *player) begin(l *life, where *bootstrap.BootstrapResult) error {
	begin := time.Now()
	if err := l.open(); err != nil {
		return err
	}
	if _, err := l.attach(where); err != nil {
		return err
	}
	if p.kill == "shim" {
		p.strike(p.program.server(l.bundle))
	}
	err := l.start()
	if err == nil {
		l.times.add("up", time.Since(begin)) // Its shim's start included, where it has one of its own.
	}
	return err
}

// live is a whole life. The first error ends it; what then is left, `shim delete` and containerd remove.
func (p *player) live(l *life, where *bootstrap.BootstrapResult) {
	begin := time.Now()
	err := p.begin(l, where)
	if err == nil {
		err = l.finish()
	}
	if err == nil {
		err = l.check()
	}
	p.settle(l, err)
	p.times.add("task", time.Since(begin))
}

func (p *player) settle(l *life, err error) {
	if err != nil && p.kill == "shim" {
		p.lock.Lock()
		p.cutShort++
		p.lock.Unlock()
	} else if err != nil {
		p.fail(l.id, err)
	}
	if err != nil && l.bundle != nil {
		if l.pid > 0 && p.kill == "" {
			l.killTask()
		}
		if _, err := p.program.delete(l.bundle); err != nil {
			p.fail(l.id, err)
		}
		if err := gone(l.pid); err != nil {
			p.fail(l.id, err)
		}
	}
	if err := l.release(); err != nil {
		p.fail(l.id, err)
	}
}

// gone waits for a process to have ended, whether or not its parent has been told.
func gone(pid uint32) error {
	end := time.Now().Add(2 * time.Second)
	for pid > 0 && isAlive(pid) {
		if time.Now().After(end) {
			return fmt.Errorf("its process %d is still there after the shim's delete", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func isAlive(pid uint32) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(state), ") ") // A name may have both, but the guests here have not.
	return !strings.HasPrefix(rest, "Z")
}

// started is called as soon as a task has.
func (p *player) started(l *life) {
	if !p.bare && !p.silent {
		go func() {
			<-l.output.first
			l.times.add("first-byte", time.Since(l.made))
		}()
	}
	if p.kill == "task" && l.id != l.pod {
		p.strike(int(l.pid))
	}
}

// strike kills a process at a random moment from now on.
func (p *player) strike(victim int) {
	if victim == 0 {
		return
	}
	go func() {
		time.Sleep(time.Duration(rand.Int64N(int64(p.within) + 1)))
		syscall.Kill(victim, syscall.SIGKILL)
	}()
}

// run plays `count` tasks, whose bundles are made before the clock runs and removed after it: only shims are timed. With `pause` they are containers of one pod, whose sandbox runs those words; else each has a
// shim of its own. Returns how long they took, without the pod's own start and end.
func (p *player) run(count, parallel int, pause, words []string) (time.Duration, error) {
	var where *bootstrap.BootstrapResult
	var sandbox *life
	pod := ""
	prefix := fmt.Sprintf("player-%d", os.Getpid())
	if len(pause) > 0 {
		pod = prefix
		sandbox = p.newLife(pod, pod, pause)
		sandbox.times = newTimes() // Its calls are not those of the tasks.
		var err error
		if err = errors.Join(sandbox.prepare(), sandbox.open()); err == nil {
			if where, err = sandbox.attach(nil); err == nil {
				err = sandbox.start()
			}
		}
		if err != nil {
			p.settle(sandbox, err)
			return 0, fmt.Errorf("the pod's sandbox: %w", err)
		}
	}
	lives := make([]*life, count)
	for at := range lives {
		lives[at] = p.newLife(fmt.Sprintf("%s-%d", prefix, at), pod, words)
		if err := lives[at].prepare(); err != nil {
			return 0, err
		}
	}
	runtime.GC()
	took := p.play(lives, parallel, where)
	for _, one := range lives {
		if err := one.remove(); err != nil {
			p.fail(one.id, err)
		}
	}
	if sandbox != nil {
		p.end(sandbox)
		if err := sandbox.remove(); err != nil {
			p.fail(sandbox.id, err)
		}
	}
	if p.kill != "shim" {
		p.checkEvents(lives)
	}
	return took, nil
}

// checkEvents gives all of them together the time for what is still on its way.
func (p *player) checkEvents(lives []*life) {
	end := time.Now().Add(patience)
	for _, one := range lives {
		if err := one.checkEvents(end); err != nil {
			p.disorder = append(p.disorder, one.id+": "+err.Error())
		}
	}
}

func (p *player) play(lives []*life, parallel int, where *bootstrap.BootstrapResult) time.Duration {
	begin := time.Now()
	if !p.hold {
		each(lives, parallel, func(l *life) { p.live(l, where) })
		return time.Since(begin)
	}
	each(lives, parallel, func(l *life) {
		if err := p.begin(l, where); err != nil {
			p.fail(l.id, err)
		}
	})
	took := time.Since(begin)
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadString(0)
	each(lives, parallel, p.end)
	return took
}

// end is for a task that runs.
func (p *player) end(l *life) {
	if l.shim == nil || l.ended == nil {
		p.settle(l, errors.New("it has not started"))
		return
	}
	err := l.killTask()
	if err == nil {
		err = l.finish()
	}
	p.settle(l, err)
}
