// Command client-go runs the experiments on the client-go version that this module's go.mod names.
package main

import (
	"os"

	"optilock/peers/client-go/experiment"
)

func main() {
	os.Exit(experiment.Main())
}
