package experiment

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// meter counts what goes over the wire and what the client waits before it lets it go.
type meter struct {
	requests  atomic.Int64
	throttled atomic.Int64 // nanoseconds, summed over all workers
}

// attach makes config count its requests, and throttle them at qps and burst (0: not at all).
func (m *meter) attach(config *rest.Config, qps float64, burst int) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &countingTransport{next: next, requests: &m.requests}
	})
	if qps == 0 || burst == 0 {
		config.QPS = -1
		return
	}
	config.QPS, config.Burst = float32(qps), burst
	// The limiter that client-go would make of the same two figures.
	config.RateLimiter = &timedLimiter{
		RateLimiter: flowcontrol.NewTokenBucketRateLimiter(config.QPS, config.Burst),
		waited:      &m.throttled,
	}
}

// throttleWait is the time spent in the client's own throttle, summed over all workers.
func (m *meter) throttleWait() time.Duration {
	return time.Duration(m.throttled.Load())
}

type countingTransport struct {
	next     http.RoundTripper
	requests *atomic.Int64
}

func (t *countingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.requests.Add(1)
	return t.next.RoundTrip(request)
}

// timedLimiter measures the one method that client-go's requests wait in.
type timedLimiter struct {
	flowcontrol.RateLimiter
	waited *atomic.Int64
}

func (l *timedLimiter) Wait(ctx context.Context) error {
	start := time.Now()
	defer func() { l.waited.Add(int64(time.Since(start))) }()
	return l.RateLimiter.Wait(ctx)
}
