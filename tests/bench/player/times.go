package main

import (
	"slices"
	"sync"
	"time"
)

// Durations by what took them; many goroutines add.
type times struct {
	lock  sync.Mutex
	taken map[string][]time.Duration
}

type summary struct {
	Count  int   `json:"count"`
	Median int64 `json:"median_ns"`
	P99    int64 `json:"p99_ns"`
	Most   int64 `json:"most_ns"`
}

func newTimes() *times {
	return &times{taken: map[string][]time.Duration{}}
}

func (t *times) add(name string, took time.Duration) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.taken[name] = append(t.taken[name], took)
}

func (t *times) summaries() map[string]summary {
	t.lock.Lock()
	defer t.lock.Unlock()
	all := map[string]summary{}
	for name, taken := range t.taken {
		slices.Sort(taken)
		at := func(share float64) int64 { return int64(taken[int(share*float64(len(taken)-1)+0.5)]) }
		all[name] = summary{Count: len(taken), Median: at(0.5), P99: at(0.99), Most: at(1)}
	}
	return all
}
