// Command client-go runs the experiments, with `scenarios NAME...` what every client does, and with
// `strategy` the updates of `optilock compare --with-peer`, on the client-go version that this
// module's go.mod names.
package main

import (
	"os"

	"optilock/peers/client-go/experiment"
	"optilock/peers/client-go/experiment/clientgo"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "scenarios":
			os.Exit(clientgo.Main(os.Args[2:]))
		case "strategy":
			os.Exit(clientgo.Strategy(os.Args[2:]))
		}
	}
	os.Exit(experiment.Main())
}
