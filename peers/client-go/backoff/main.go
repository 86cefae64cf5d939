// Command backoff prints what apimachinery's wait.Backoff does with given parameters, so that
// another implementation can be compared with it.
//
// Standard input is JSON lines, one parameter set each:
//
//	{"steps":5,"duration_ns":10000000,"factor":1.0,"jitter":0.1,"cap_ns":0,"calls":8}
//
// Standard output is one JSON line for each, in the same order:
//
//   - "step": results of `calls` successive calls of Step, "after": the Backoff that they leave;
//   - "unjittered": the same results with Jitter 0, where jitter is above 0 (the lower bounds of "step");
//   - "exponential" and "exponential_with_context": what ExponentialBackoff and
//     ExponentialBackoffWithContext do with a condition that is false until its call number `calls`
//     and true then: how often it was called, how long they slept after each call, and whether they
//     timed out (ErrWaitTimeout) before the condition was true.
//
// Nothing is reimplemented: the functions themselves run, in a testing/synctest bubble, where the
// clock moves only when everybody sleeps. So the sleeps are what apimachinery asked for, to the
// nanosecond (a negative one shows as 0), and take no time. The bubble's clock starts in the year
// 2000 and ends with its int64 of nanoseconds in 2262: sets whose sleeps add up to more than
// maxSleep have null for the two loops.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
)

func main() {
	// A bubble needs a testing.T, and testing.Main reports on standard output: it gets standard error.
	output := os.Stdout
	os.Stdout = os.Stderr
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "backoff: takes no arguments: parameter sets are read from standard input")
		os.Exit(2)
	}
	matchAll := func(string, string) (bool, error) { return true, nil }
	answer := testing.InternalTest{Name: "backoff", F: func(t *testing.T) {
		if err := answerAll(t, os.Stdin, output); err != nil {
			t.Fatal(err)
		}
	}}
	testing.Main(matchAll, []testing.InternalTest{answer}, nil, nil)
}

// answerAll answers every parameter set of input with a line on output.
func answerAll(t *testing.T, input io.Reader, output io.Writer) error {
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	buffered := bufio.NewWriter(output)
	encoder := json.NewEncoder(buffered)
	for number := 1; ; number++ {
		var set parameters
		if err := decoder.Decode(&set); errors.Is(err, io.EOF) {
			return buffered.Flush()
		} else if err != nil {
			return fmt.Errorf("parameter set %d: %w", number, err)
		}
		if err := set.validate(); err != nil {
			return fmt.Errorf("parameter set %d: %w", number, err)
		}
		if err := encoder.Encode(observe(t, set)); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
}
