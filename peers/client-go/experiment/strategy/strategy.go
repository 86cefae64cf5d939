// Package strategy is a peer of `optilock compare --with-peer`: workers that add one to a label of a
// Deployment, by a client's own means, and a history of what they asked and were answered. docs/lab.md
// tells how such a program is started.
package strategy

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Task is what the command line asks for.
type Task struct {
	Namespace string
	Name      string
	Backoff   wait.Backoff
}

// Func makes one update.
type Func func(ctx context.Context, update *Update) error

// Strategy is a way to make updates with a client for this cluster.
type Strategy func(config *rest.Config, task Task) (Func, error)

type options struct {
	Task
	kubeconfig string
	strategy   string
	history    string
	workers    int
	updates    int
}

// Main lets the workers at the object and returns the program's exit code: 0 done, 1 failed, 2 wrong usage.
func Main(args []string, defaultStrategy string, strategies map[string]Strategy) int {
	o := &options{}
	flags := flag.NewFlagSet("strategy", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file; default: the one that KUBECONFIG names")
	flags.StringVar(&o.Namespace, "namespace", "default", "namespace of the Deployment")
	flags.StringVar(&o.Name, "name", "", "name of the Deployment, which must exist and have the label "+counter)
	flags.StringVar(&o.strategy, "strategy", defaultStrategy, "how an update is made: "+strings.Join(slices.Sorted(maps.Keys(strategies)), ", "))
	flags.IntVar(&o.workers, "workers", 5, "number of concurrent workers")
	flags.IntVar(&o.updates, "updates", 1, "updates of each worker, one after the other")
	flags.IntVar(&o.Backoff.Steps, "steps", 5, "attempts at an update")
	flags.DurationVar(&o.Backoff.Duration, "duration", 10*time.Millisecond, "first pause between two attempts")
	flags.Float64Var(&o.Backoff.Factor, "factor", 1, "growth of the pause from attempt to attempt")
	flags.Float64Var(&o.Backoff.Jitter, "jitter", 0.1, "share of the pause that is added at random")
	flags.DurationVar(&o.Backoff.Cap, "cap", 0, "longest pause; 0 means none")
	flags.StringVar(&o.history, "history", "-", "file for the history; - is standard output")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	strategy, found := strategies[o.strategy]
	if !found || o.Name == "" || o.workers < 1 || o.updates < 1 || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "say -name, a -strategy that there is, and -workers and -updates of at least 1")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx, strategy); err != nil {
		klog.Errorf("%v", err)
		return 1
	}
	return 0
}

func (o *options) run(ctx context.Context, strategy Strategy) (err error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	// What is compared is what the lock costs, and not the client's own throttle.
	config.QPS = -1
	update, err := strategy(config, o.Task)
	if err != nil {
		return err
	}
	output := io.Writer(os.Stdout)
	if o.history != "-" {
		file, err := os.Create(o.history)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := file.Close(); err == nil {
				err = closeErr
			}
		}()
		output = file
	}
	history := newHistory(output, config.Host)
	var workers sync.WaitGroup
	for worker := range o.workers {
		workers.Go(func() {
			for number := range o.updates {
				// An update that is given up shows in the history.
				_ = update(ctx, &Update{
					history: history,
					id:      fmt.Sprintf("worker-%d-%d", worker, number),
					worker:  worker,
					name:    o.Name,
				})
			}
		})
	}
	workers.Wait()
	return history.failed
}
