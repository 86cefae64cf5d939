package experiment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientretry "k8s.io/client-go/util/retry"
	"k8s.io/klog/v2"
)

// result is the line that is printed to standard output.
type result struct {
	Client     string `json:"client"`
	Version    string `json:"version"`
	Experiment string `json:"experiment"`
	Workers    int    `json:"workers"`
	Initial    int    `json:"initial"`
	Final      int    `json:"final"`
	Succeeded  int    `json:"succeeded"`
	// Conflicts is the number of updates that the server refused with 409 Conflict.
	Conflicts int64 `json:"conflicts"`
	// Jain is Jain's index of fairness over the updates of the workers.
	Jain float64 `json:"jain"`
	// Least is the number of updates of the worker that succeeded the least.
	Least int `json:"least"`
	// Errors is the number of workers that ended with anything but success or a conflict.
	Errors int64 `json:"errors"`
	// Requests counts from the creation of the Deployment to the reading of the final value.
	Requests int64 `json:"requests"`
	// Milliseconds is the time from the start of the workers to the final value.
	Milliseconds float64 `json:"ms"`
	// ThrottleMilliseconds is the wait in the client's own throttle, summed over all workers.
	ThrottleMilliseconds float64 `json:"throttle_ms"`
}

// experiment is one run.
type experiment struct {
	*options
	// apis are the workers' by number; fewer than there are workers are shared.
	apis      []appsclient.DeploymentInterface
	barrier   *barrier
	conflicts atomic.Int64
	errors    atomic.Int64
	// succeeded has the updates of each worker, which it alone writes while they work.
	succeeded []int
	// over is when no more updates are begun, if they are made one after the other.
	over time.Time
}

// errOver ends an update whose time is over.
var errOver = errors.New("the time is over")

// Outcome is what a run leads to wherever it happens.
type Outcome struct {
	Final     int `json:"final"`
	Succeeded int `json:"succeeded"`
	// Conflicts is only there without retry: with it, chance decides.
	Conflicts *int64 `json:"conflicts,omitempty"`
}

// Run is one run with the program's own flags, and its outcome.
func Run(ctx context.Context, args ...string) (*Outcome, error) {
	o, err := parseOptions(args, os.Stderr)
	if err != nil {
		return nil, err
	}
	r, err := run(ctx, o)
	if err != nil {
		return nil, err
	}
	if r.Errors > 0 {
		return nil, fmt.Errorf("%d workers failed", r.Errors)
	}
	outcome := &Outcome{Final: r.Final, Succeeded: r.Succeeded}
	if o.experiment == once {
		outcome.Conflicts = &r.Conflicts
	}
	return outcome, nil
}

// run creates the Deployment, lets the workers loose on it, and deletes it again.
func run(ctx context.Context, o *options) (_ *result, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	// What only sets the stage is neither counted nor throttled.
	stagehand, err := kubernetes.NewForConfig(unmetered(config))
	if err != nil {
		return nil, err
	}
	meter := &meter{}
	clients, err := o.clients(ctx, config, meter)
	if err != nil {
		return nil, err
	}
	stage := stagehand.AppsV1().Deployments(o.namespace)
	e := &experiment{
		options: o,
		barrier: newBarrier(o.workers),

		succeeded: make([]int, o.workers),
	}
	for _, client := range clients {
		e.apis = append(e.apis, client.AppsV1().Deployments(o.namespace))
	}

	klog.Infof("creating deployment %s/%s", o.namespace, o.name)
	created, err := create(ctx, e.apis[0], o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if removeErr := remove(ctx, stage, created); removeErr != nil && err == nil {
			err = fmt.Errorf("deleting the deployment: %w", removeErr)
		}
	}()
	klog.Infof("created deployment %q", created.Name)
	if o.settle > 0 {
		if err := settle(ctx, stage, o.name, o.settle); err != nil {
			return nil, err
		}
	}

	klog.Infof("%d workers update label %s at the same time", o.workers, label)
	start := time.Now()
	e.over = start.Add(o.loop)
	e.runWorkers(ctx)
	last, err := e.apis[0].Get(ctx, o.name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	final, err := value(last)
	if err != nil {
		return nil, err
	}
	succeeded := 0
	for _, updates := range e.succeeded {
		succeeded += updates
	}
	klog.Infof("final value of the label: %d, took %d ms", final, elapsed.Milliseconds())
	return &result{
		Client:               "client-go",
		Version:              clientVersion(),
		Experiment:           o.experiment,
		Workers:              o.workers,
		Initial:              initial,
		Final:                final,
		Succeeded:            succeeded,
		Jain:                 jain(e.succeeded),
		Least:                slices.Min(e.succeeded),
		Conflicts:            e.conflicts.Load(),
		Errors:               e.errors.Load(),
		Requests:             meter.requests.Load(),
		Milliseconds:         milliseconds(elapsed),
		ThrottleMilliseconds: milliseconds(meter.throttleWait()),
	}, nil
}

// runWorkers starts all workers and waits for their end.
func (e *experiment) runWorkers(ctx context.Context) {
	var workers sync.WaitGroup
	for _, worker := range e.startOrder() {
		workers.Go(func() { e.work(ctx, worker) })
	}
	workers.Wait()
}

func (e *experiment) startOrder() []int {
	if e.startOrderSeed != 0 {
		return rand.New(rand.NewPCG(e.startOrderSeed, 0)).Perm(e.workers)
	}
	order := make([]int, e.workers)
	for i := range order {
		order[i] = i
	}
	return order
}

// work is one worker's life: one update, with or without retry, or one after the other until the time is over.
func (e *experiment) work(ctx context.Context, worker int) {
	party := e.barrier.party()
	// A worker that fails before its first write must not keep the others from theirs.
	defer party.arrive()
	update := func() error { return e.update(ctx, worker, party) }
	for first := true; first || time.Now().Before(e.over); first = false {
		err := error(nil)
		if e.experiment == once {
			err = update()
		} else {
			err = clientretry.RetryOnConflict(e.backoff, update)
		}
		switch {
		case err == nil:
			e.succeeded[worker]++
			klog.Infof("worker-%d update success", worker)
		case errors.Is(err, errOver):
			klog.Infof("worker-%d gives up: %v", worker, err)
			return
		default:
			klog.Infof("worker-%d update err: %v", worker, err)
			if !apierrors.IsConflict(err) {
				e.errors.Add(1)
				return
			}
		}
	}
}

// update reads the Deployment, adds one to the label, and writes it back.
func (e *experiment) update(ctx context.Context, worker int, party *party) error {
	if e.loop > 0 && time.Now().After(e.over) {
		return errOver
	}
	api := e.apis[worker%len(e.apis)]
	deployment, err := api.Get(ctx, e.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	current, err := value(deployment)
	if err != nil {
		return err
	}
	next := current + 1
	base := deployment.ResourceVersion
	deployment.Labels[label] = strconv.Itoa(next)
	klog.Infof("worker-%d, current label: %d, resource version: %s", worker, next, base)
	party.pass()
	updated, err := api.Update(ctx, deployment, metav1.UpdateOptions{})
	if err != nil {
		if apierrors.IsConflict(err) {
			e.conflicts.Add(1)
		}
		return err
	}
	klog.Infof("---> [success] worker-%d, current label: %d, resource version old: %s, new: %s", worker, next, base, updated.ResourceVersion)
	return nil
}

// jain is Jain's index: 1 where all have as much, 1/n where one has all, 0 where nobody has anything.
func jain(shares []int) float64 {
	sum, squares := 0, 0
	for _, share := range shares {
		sum += share
		squares += share * share
	}
	if squares == 0 {
		return 0
	}
	return float64(sum) * float64(sum) / float64(len(shares)*squares)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
