package main

import (
	"reflect"
	"testing"
	"time"
)

const second = int64(time.Second)

func TestACapEndsTheLoopAfterTheOldPause(t *testing.T) {
	got := observe(t, parameters{Steps: 10, DurationNS: second, Factor: 2, CapNS: 3 * second, Calls: 4})
	want := observation{
		Step:                   []int64{second, 2 * second, 3 * second, 3 * second},
		After:                  state{Steps: 0, DurationNS: 3 * second},
		Exponential:            &loop{Calls: 2, Sleeps: []int64{second, 2 * second}, TimedOut: true},
		ExponentialWithContext: &loop{Calls: 2, Sleeps: []int64{second, 2 * second}, TimedOut: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestJitterComesWithItsLowerBounds(t *testing.T) {
	got := observe(t, parameters{Steps: 3, DurationNS: second, Factor: 2, Jitter: 0.5, Calls: 3})
	if !reflect.DeepEqual(got.Unjittered, []int64{second, 2 * second, 4 * second}) {
		t.Errorf("unjittered %v", got.Unjittered)
	}
	for i, low := range got.Unjittered {
		if got.Step[i] < low || got.Step[i] > low+low/2 {
			t.Errorf("step %d is %d, not from %d to %d", i, got.Step[i], low, low+low/2)
		}
	}
}

func TestASleepBeyondTheClockIsNotTried(t *testing.T) {
	got := observe(t, parameters{Steps: 9, DurationNS: int64(maxSleep), Factor: 1, Calls: 3})
	if got.Exponential != nil || got.ExponentialWithContext != nil {
		t.Errorf("got %+v", got)
	}
}
