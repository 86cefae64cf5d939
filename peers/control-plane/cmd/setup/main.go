// Command setup does for a control plane on this machine what needs cryptography, so that the
// program that starts it needs none:
//
//	setup keys DIR                      writes ca.crt, server.crt, server.key, service-account.key,
//	                                    admin.token and unprivileged.token
//	setup ready URL CA TOKEN TIMEOUT    waits until URL answers 200; CA and TOKEN are files
package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "keys":
		return writeKeys(args[1])
	case len(args) == 5 && args[0] == "ready":
		timeout, err := time.ParseDuration(args[4])
		if err != nil {
			return fmt.Errorf("TIMEOUT: %w", err)
		}
		return waitReady(args[1], args[2], args[3], timeout)
	}
	return errors.New("usage: setup keys DIR | setup ready URL CA TOKEN TIMEOUT")
}
