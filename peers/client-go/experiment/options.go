package experiment

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// The two experiments.
const (
	once  = "once"
	retry = "retry"
)

// options is what the command line says.
type options struct {
	kubeconfig     string
	experiment     string
	namespace      string
	name           string
	workers        int
	backoff        wait.Backoff
	qps            float64
	burst          int
	startOrderSeed uint64
	settle         time.Duration
	loop           time.Duration
	clientEach     bool
}

// parseOptions reads the command line; help and errors are written to output.
func parseOptions(args []string, output io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("client-go", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file; default: the one that KUBECONFIG names")
	flags.StringVar(&o.experiment, "experiment", retry, "once: one attempt a worker; retry: retry.RetryOnConflict")
	flags.StringVar(&o.namespace, "namespace", "default", "namespace of the Deployment")
	flags.StringVar(&o.name, "name", "nginx-deployment", "name of the Deployment, which must not exist yet")
	flags.IntVar(&o.workers, "workers", 5, "number of concurrent workers")
	flags.IntVar(&o.backoff.Steps, "steps", 10, "attempts a worker; 0 means unlimited (a cap that is reached ends them all the same, as always in client-go)")
	flags.DurationVar(&o.backoff.Duration, "duration", 10*time.Millisecond, "first pause between two attempts")
	flags.Float64Var(&o.backoff.Factor, "factor", 1, "growth of the pause from attempt to attempt")
	flags.Float64Var(&o.backoff.Jitter, "jitter", 0.1, "share of the pause that is added at random")
	flags.DurationVar(&o.backoff.Cap, "cap", 0, "longest pause; 0 means none")
	flags.Float64Var(&o.qps, "qps", 5, "requests a second that the client allows itself; 0 means unthrottled")
	flags.IntVar(&o.burst, "burst", 10, "requests that may exceed -qps at once; 0 means unthrottled")
	flags.Uint64Var(&o.startOrderSeed, "start-order-seed", 0, "start the workers in the random order of this seed; 0 means by number")
	flags.DurationVar(&o.settle, "settle", 0, "before the workers start, let the Deployment be unchanged for so long (at most 30s); for clusters with controllers")
	flags.DurationVar(&o.loop, "loop", 0, "for so long each worker makes one update after the other, and what isn't done by then is given up; 0 means one update a worker")
	flags.BoolVar(&o.clientEach, "client-each", false, "give each worker a client and a connection of its own, as if it were a process; they are connected before anything is counted")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if err := o.validate(flags.Args()); err != nil {
		fmt.Fprintln(output, "client-go:", err)
		return nil, err
	}
	if o.backoff.Steps == 0 {
		o.backoff.Steps = math.MaxInt
	}
	return o, nil
}

func (o *options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.kubeconfig == "":
		return errors.New("no cluster: say -kubeconfig FILE or set KUBECONFIG")
	case o.experiment != once && o.experiment != retry:
		return fmt.Errorf("-experiment is %q: say %s or %s", o.experiment, once, retry)
	case o.workers < 1:
		return fmt.Errorf("-workers is %d: at least 1 is needed", o.workers)
	case o.backoff.Steps < 0:
		return fmt.Errorf("-steps is %d: say 0 for unlimited", o.backoff.Steps)
	case o.loop < 0:
		return fmt.Errorf("-loop is %v: say 0 for one update a worker", o.loop)
	case o.qps < 0 || o.burst < 0:
		return errors.New("-qps and -burst can't be negative: say 0 for unthrottled")
	}
	return nil
}
