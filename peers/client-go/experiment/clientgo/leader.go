package clientgo

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"optilock/peers/client-go/experiment/scenario"
)

const (
	candidates = 5
	lease      = "leader"
)

// election is what the candidates have seen.
type election struct {
	mutex   sync.Mutex
	changed *sync.Cond
	running int
	leading int
	atOnce  int
	terms   []string
	// seen counts who, besides the leader itself, knows of a leader.
	seen map[string]int
}

// leader has five candidates lead one after another: each one steps down once all others that are
// still running know of it.
func leader(ctx context.Context, config *rest.Config) (any, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	e := &election{running: candidates, seen: map[string]int{}}
	e.changed = sync.NewCond(&e.mutex)
	defer context.AfterFunc(ctx, e.changed.Broadcast)()
	var all sync.WaitGroup
	for number := range candidates {
		identity := fmt.Sprintf("candidate-%d", number)
		all.Add(1)
		go func() {
			defer all.Done()
			e.run(ctx, client, identity)
		}()
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("after the terms of %v: %w", e.terms, err)
	}
	leases := client.CoordinationV1().Leases(scenario.Namespace)
	last, err := leases.Get(context.WithoutCancel(ctx), lease, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	outcome := map[string]any{
		"candidates":  candidates,
		"terms":       len(e.terms),
		"at_once":     e.atOnce,
		"transitions": last.Spec.LeaseTransitions,
	}
	return outcome, leases.Delete(ctx, lease, metav1.DeleteOptions{})
}

// run is one candidate's life: it ends with its term.
func (e *election) run(ctx context.Context, client kubernetes.Interface, identity string) {
	ctx, stepDown := context.WithCancel(ctx)
	defer stepDown()
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: lease, Namespace: scenario.Namespace},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration:   30 * time.Second,
		RenewDeadline:   20 * time.Second,
		RetryPeriod:     50 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				defer stepDown()
				e.lead(ctx, identity)
			},
			OnStoppedLeading: func() {},
			OnNewLeader: func(other string) {
				if other == identity {
					return
				}
				e.mutex.Lock()
				defer e.mutex.Unlock()
				e.seen[other]++
				e.changed.Broadcast()
			},
		},
	})
}

// lead is a term: it lasts until everybody knows of it.
func (e *election) lead(ctx context.Context, identity string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.leading++
	e.atOnce = max(e.atOnce, e.leading)
	e.terms = append(e.terms, identity)
	for e.seen[identity] < e.running-1 && ctx.Err() == nil {
		e.changed.Wait()
	}
	e.leading--
	e.running--
}
