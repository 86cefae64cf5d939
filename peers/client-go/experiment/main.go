// Package experiment is two experiments in optimistic locking as a client-go program: workers that
// read a Deployment, add one to a label and write it back, all at the same time, without retry and
// with it. It is a module of its own that asks for the oldest client-go that it works with, so that
// programs on any newer version share it.
package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the program and returns its exit code: 0 done, 1 the experiment failed, 2 wrong usage.
func Main() int {
	defer klog.Flush()
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := run(ctx, o)
	if err != nil {
		klog.Errorf("%v", err)
		return exitFailed
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		klog.Errorf("writing the result: %v", err)
		return exitFailed
	}
	if lost := result.Initial + result.Succeeded - result.Final; lost != 0 {
		klog.Errorf("%d workers succeeded, but the label went from %d to %d", result.Succeeded, result.Initial, result.Final)
		return exitFailed
	}
	if result.Errors > 0 {
		return exitFailed
	}
	return 0
}

// clientVersion is the version of client-go that this binary was linked with.
func clientVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "k8s.io/client-go" {
				return module.Version
			}
		}
	}
	return "unknown"
}

// unmetered is a copy of config for a client without throttle.
func unmetered(config *rest.Config) *rest.Config {
	free := rest.CopyConfig(config)
	free.QPS = -1
	return free
}
