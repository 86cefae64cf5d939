// Package scenario runs what every client in peers/ does on a server, and prints what came out.
// peers/README.md is the contract.
package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Namespace is where the objects are made.
const Namespace = "default"

// limit bounds one scenario: what hangs is an error, with the scenario's name.
const limit = 2 * time.Minute

// Func plays a scenario on the server that config leads to. What it returns becomes JSON.
type Func func(ctx context.Context, config *rest.Config) (any, error)

// line is what is printed for a scenario.
type line struct {
	Scenario string `json:"scenario"`
	Outcome  any    `json:"outcome"`
}

// Main plays the scenarios of these names on the server of KUBECONFIG, one after another, and
// returns the exit code: 0 played, 1 failed, 2 wrong usage.
func Main(names []string, all map[string]Func) int {
	for _, name := range names {
		if all[name] == nil {
			fmt.Fprintf(os.Stderr, "no scenario %q\n", name)
			return 2
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	// The throttle changes nothing but the time.
	config.QPS = -1
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	output := json.NewEncoder(os.Stdout)
	for _, name := range names {
		bounded, cancel := context.WithTimeout(ctx, limit)
		outcome, err := all[name](bounded, rest.CopyConfig(config))
		cancel()
		if err == nil {
			err = output.Encode(line{Scenario: name, Outcome: outcome})
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return 1
		}
	}
	return 0
}

// Data is the data of a ConfigMap in one line, in the order of its keys.
func Data(data map[string]string) string {
	words := make([]string, 0, len(data))
	for key, value := range data {
		words = append(words, key+"="+value)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Refusal is the code and the reason of a Status, and an error where err is none.
func Refusal(err error) (string, error) {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		return "", fmt.Errorf("not refused by the server: %w", err)
	}
	return fmt.Sprintf("%d %s", status.Status().Code, status.Status().Reason), nil
}

// Steps is an outcome that is a list of what happened. After the first error nothing is added.
type Steps struct {
	steps []string
	err   error
}

// Add notes a step that went well, as `text` with the arguments.
func (s *Steps) Add(err error, text string, args ...any) {
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("after %q: %w", s.steps, err)
	}
	if s.err == nil {
		s.steps = append(s.steps, fmt.Sprintf(text, args...))
	}
}

// AddRefusal notes a step that has to be refused.
func (s *Steps) AddRefusal(err error) {
	if err == nil {
		s.Add(fmt.Errorf("this should have been refused"), "")
		return
	}
	refusal, err := Refusal(err)
	s.Add(err, "%s", refusal)
}

// Outcome is the list, or the first error.
func (s *Steps) Outcome() (any, error) {
	return s.steps, s.err
}

// Next is what a channel brings next.
func Next[T any](ctx context.Context, channel <-chan T) (T, error) {
	select {
	case item, ok := <-channel:
		if !ok {
			return item, fmt.Errorf("the stream has ended")
		}
		return item, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
