// Command gap stands between a client and a server, cuts the client off while things happen whose history the server
// then forgets, and lets it go on: the client has to notice that it has missed something, and to read everything anew.
//
//	KUBECONFIG=... gap [-etcd URL] PROGRAM [ARGUMENT...]
//
// The program plays the scenario `expired` of peers/README.md with a KUBECONFIG of its own. Twice it is cut off; the first
// time it learns what it has missed by an event of its next watch, the second time that watch is answered with 410.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// limit bounds it all: a client that does not come back is an error.
const limit = 3 * time.Minute

// patience is how long an event is waited for before another one is tried.
const patience = 2 * time.Second

func main() {
	etcd := flag.String("etcd", "", "URL of the etcd behind the server, which is compacted; without one the server has to forget soon by itself")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, *etcd, flag.Args())
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gap:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, etcd string, program []string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	between, err := openProxy(config)
	if err != nil {
		return err
	}
	defer between.Close()
	dir, err := os.MkdirTemp("", "gap")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := between.writeKubeconfig(kubeconfig, config); err != nil {
		return err
	}

	world := &world{client: client, etcd: etcd}
	defer world.remove()
	world.put(ctx, "kept", "1")
	world.put(ctx, "gone", "1")
	if world.err != nil {
		return world.err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	child := exec.CommandContext(ctx, program[0], program[1:]...)
	child.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := child.Wait()
		ended <- err
		cancel(fmt.Errorf("the program has ended: %w", errOr(err, "too early")))
	}()
	err = story(ctx, world, between)
	if err != nil {
		cancel(err)
		<-ended
		return err
	}
	return <-ended
}

func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", text)
}

// story is what happens while the program follows it.
func story(ctx context.Context, world *world, between *proxy) error {
	// It is known to have a version when it has been told of something by a watch. A watch that has begun may end with an
	// error, and what it would have told is in the list then: it is told of something else.
	told := func(value string) (version string, err error) {
		for attempt := 1; ; attempt++ {
			if err := between.watches().wait(ctx, "a watch"); err != nil {
				return "", err
			}
			now := fmt.Sprintf("%s.%d.", value, attempt)
			seen := between.tells(now)
			version = world.put(ctx, "kept", now)
			if world.err != nil {
				return "", world.err
			}
			if err := seen.waitFor(ctx, patience, "the event of "+now); err == nil || ctx.Err() != nil {
				return version, err
			}
		}
	}

	// What happens while the client is cut off, after which nobody remembers it.
	unseen := func(version, gone, came string) error {
		between.cut()
		world.put(ctx, "kept", "unseen")
		world.delete(ctx, gone)
		world.put(ctx, came, "1")
		world.forget(ctx, version)
		return world.err
	}

	version, err := told("told-first")
	if err != nil {
		return err
	}
	if err := unseen(version, "gone", "came"); err != nil {
		return err
	}
	expired, listed := between.tells("Expired"), between.lists()
	between.restore(false)
	// Some read everything anew whenever they are cut off.
	if err := expired.wait(ctx, "410 within a watch", listed); err != nil {
		return err
	}

	version, err = told("told-second")
	if err != nil {
		return err
	}
	if err := unseen(version, "came", "late"); err != nil {
		return err
	}
	between.restore(true)
	if err := between.refused.wait(ctx, "a watch that is answered with 410"); err != nil {
		return err
	}
	// What a list brings comes in no order: the end comes by a watch.
	if _, err := told("told-third"); err != nil {
		return err
	}
	world.put(ctx, "kept", "3")
	world.put(ctx, "end", "1")
	return world.err
}
