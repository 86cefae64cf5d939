package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// maxSleep is the most that the sleeps of one loop may add up to.
const maxSleep = 200 * 365 * 24 * time.Hour

// parameters is one line of input.
type parameters struct {
	Steps      int     `json:"steps"`
	DurationNS int64   `json:"duration_ns"`
	Factor     float64 `json:"factor"`
	Jitter     float64 `json:"jitter"`
	CapNS      int64   `json:"cap_ns"`
	// Calls is how many calls of Step are made, and the call in which the condition is true.
	Calls int `json:"calls"`
}

func (p parameters) validate() error {
	if p.Calls < 1 {
		return errors.New("calls must be at least 1")
	}
	return nil
}

func (p parameters) backoff() wait.Backoff {
	return wait.Backoff{
		Steps:    p.Steps,
		Duration: time.Duration(p.DurationNS),
		Factor:   p.Factor,
		Jitter:   p.Jitter,
		Cap:      time.Duration(p.CapNS),
	}
}

// observation is one line of output. Durations are nanoseconds.
type observation struct {
	Step                   []int64 `json:"step"`
	Unjittered             []int64 `json:"unjittered,omitempty"`
	After                  state   `json:"after"`
	Exponential            *loop   `json:"exponential"`
	ExponentialWithContext *loop   `json:"exponential_with_context"`
}

// state is the part of a Backoff that Step changes.
type state struct {
	Steps      int   `json:"steps"`
	DurationNS int64 `json:"duration_ns"`
}

// loop is what a retry loop did.
type loop struct {
	Calls int `json:"calls"`
	// Sleeps has one entry for each call but the one that was true. After the last call of a loop
	// that timed out it is 0, unless the cap ended the loop.
	Sleeps   []int64 `json:"sleeps"`
	TimedOut bool    `json:"timed_out"`
}

func observe(t *testing.T, p parameters) observation {
	b := p.backoff()
	result := observation{Step: steps(&b, p.Calls)}
	result.After = state{Steps: b.Steps, DurationNS: int64(b.Duration)}
	if p.Jitter > 0 {
		plain := p.backoff()
		plain.Jitter = 0
		result.Unjittered = steps(&plain, p.Calls)
	}
	if !sleepsTooLong(p) {
		result.Exponential = observeLoop(t, p.Calls, func(_ context.Context, condition wait.ConditionFunc) error {
			return wait.ExponentialBackoff(p.backoff(), condition)
		})
		result.ExponentialWithContext = observeLoop(t, p.Calls, func(ctx context.Context, condition wait.ConditionFunc) error {
			return wait.ExponentialBackoffWithContext(ctx, p.backoff(), condition.WithContext())
		})
	}
	return result
}

func steps(b *wait.Backoff, calls int) []int64 {
	results := make([]int64, calls)
	for i := range results {
		results[i] = int64(b.Step())
	}
	return results
}

// sleepsTooLong says whether the sleeps between p.Calls calls may exceed maxSleep.
func sleepsTooLong(p parameters) bool {
	plain := p.backoff()
	plain.Jitter = 0
	var total float64
	for range p.Calls {
		total += max(0, float64(plain.Step())*(1+max(0, p.Jitter)))
	}
	return total > float64(maxSleep)
}

// observeLoop runs a retry loop on the bubble's clock, with a condition that is true in call number
// last.
func observeLoop(t *testing.T, last int, run func(context.Context, wait.ConditionFunc) error) *loop {
	result := &loop{Sleeps: []int64{}}
	synctest.Test(t, func(t *testing.T) {
		var called time.Time
		slept := func() {
			if result.Calls > 0 {
				result.Sleeps = append(result.Sleeps, int64(time.Since(called)))
			}
		}
		err := run(t.Context(), func() (bool, error) {
			slept()
			called = time.Now()
			result.Calls++
			return result.Calls == last, nil
		})
		switch {
		case err == nil:
		case errors.Is(err, wait.ErrWaitTimeout):
			result.TimedOut = true
			// The pause after the last call: 0 unless the cap ended the loop.
			slept()
		default:
			t.Errorf("unexpected error of the loop: %v", err)
		}
	})
	return result
}
