// Command client-go runs the experiments, and with `scenarios NAME...` what every client does, on
// the client-go version that this module's go.mod names.
package main

import (
	"os"

	"optilock/peers/client-go/experiment"
	"optilock/peers/client-go/experiment/clientgo"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "scenarios" {
		os.Exit(clientgo.Main(os.Args[2:]))
	}
	os.Exit(experiment.Main())
}
